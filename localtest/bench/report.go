package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"path"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"time"
)

type report struct {
	Made     string     `json:"made"`
	LeftOut  []string   `json:"leftOut"`
	Sections []*section `json:"sections"`
}

// section is the part of the report that a measurement writes.
type section struct {
	Name  string // the measurement's
	made  string // when and how; the report's, unless it was kept
	title string
	text  string   // what was measured, in a sentence or two
	notes []string // sentences below the table
	plot  *plot    // nil if there is none

	// columns means that the table has a column for each system, not a row.
	columns bool

	mu     sync.Mutex
	Series []*series
}

// series are a system's samples of one quantity, in the order in which they were taken.
type series struct {
	System string    `json:"system"`
	What   string    `json:"what"`
	Unit   string    `json:"unit"`
	Values []float64 `json:"values"`
}

func (s *section) add(system, what, unit string, values ...float64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	one := s.find(system, what)
	if one == nil {
		one = &series{System: system, What: what, Unit: unit}
		s.Series = append(s.Series, one)
	}
	one.Values = append(one.Values, values...)
}

func (s *section) find(system, what string) *series {
	for _, one := range s.Series {
		if one.System == system && one.What == what {
			return one
		}
	}
	return nil
}

// median is 0 for a quantity without samples.
func (s *section) median(system, what string) float64 {
	if one := s.find(system, what); one != nil {
		return percentile(one.Values, 50)
	}
	return 0
}

// wide has a row for each quantity, with the medians, and another with p99 if there are many samples.
func (s *section) wide() string {
	var systems, whats []string
	for _, one := range s.Series {
		if !slices.Contains(systems, one.System) {
			systems = append(systems, one.System)
		}
		if !slices.Contains(whats, one.What) {
			whats = append(whats, one.What)
		}
	}
	rows := [][]string{append([]string{""}, systems...)}
	for _, what := range whats {
		unit, p50, p99 := "", []string{}, []string{}
		for _, system := range systems {
			one := s.find(system, what)
			if one == nil {
				p50, p99 = append(p50, none), append(p99, none)
				continue
			}
			unit = one.Unit
			p50 = append(p50, figure(percentile(one.Values, 50)))
			if len(one.Values) >= manySamples {
				p99 = append(p99, figure(percentile(one.Values, 99)))
			}
		}
		if len(p99) < len(systems) {
			rows = append(rows, append([]string{what + ", " + unit}, p50...))
			continue
		}
		rows = append(rows, append([]string{what + ", " + unit + ", p50"}, p50...), append([]string{what + ", " + unit + ", p99"}, p99...))
	}
	return table(rows)
}

// manySamples are enough for a p99 in a wide table.
const manySamples = 100

// table has a row for each quantity of each system.
func (s *section) table() string {
	if s.columns {
		return s.wide()
	}
	rows := [][]string{{"", "", "p50", "p99", "× the limit", "a2a-go ÷ this"}}
	var done []string
	for _, first := range s.Series {
		if slices.Contains(done, first.What) {
			continue
		}
		done = append(done, first.What)
		for _, one := range s.Series {
			if one.What != first.What {
				continue
			}
			p50, p99 := percentile(one.Values, 50), none
			if len(one.Values) > 1 {
				p99 = figure(percentile(one.Values, 99))
			}
			peer := s.median(peerName, one.What)
			if peer == 0 || strings.HasSuffix(one.System, byHTTP) {
				peer = s.median(peerName+byHTTP, one.What)
			}
			rows = append(rows, []string{one.System, one.What + ", " + one.Unit, figure(p50), p99,
				ratio(p50, s.median(limitName, one.What)), ratio(peer, p50)})
		}
	}
	return table(rows)
}

// made says when, how and where the results are made.
func made(e effort) string {
	cpu := "an unknown CPU"
	if info, err := os.ReadFile("/proc/cpuinfo"); err == nil {
		if _, rest, found := strings.Cut(string(info), "model name\t: "); found {
			cpu, _, _ = strings.Cut(rest, "\n")
		}
	}
	return fmt.Sprintf("`go run ./localtest/bench` of %s, %s: %s, %d cores, %s/%s, %s; client and systems share the machine",
		time.Now().UTC().Format(time.DateOnly), e.name, cpu, runtime.NumCPU(), runtime.GOOS, runtime.GOARCH, runtime.Version())
}

// machineLoad returns how many processes ran or wanted to run, on average over the last minute.
func machineLoad() string {
	load, err := os.ReadFile("/proc/loadavg")
	if err != nil {
		return "unknown"
	}
	last, _, _ := strings.Cut(string(load), " ")
	return last
}

const legend = "- *limit*: a Lambda handler (`lambdaurl`) that only encodes each event, and writes together what has gathered while " +
	"the write before was under way; it stores nothing\n" +
	"- *a2a-go*: the Go SDK's own server (2.4.0), in memory; *tutorial's Python*: its server (a2a-sdk 0.2.8, uvicorn), in memory\n" +
	"- *+ 5 ms*: each call to the store takes 5 ms longer, as in a region\n" +
	"- *HTTP*: a server without a Lambda; all others are behind the same emulator of one\n" +
	"- *× the limit*: how many times the limit's time; *a2a-go ÷ this*: how many times this row's time a2a-go takes\n\n"

// write puts results.md, samples.json and the plot into the directory.
func (r *report) write(dir string) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	if err := r.keep(filepath.Join(dir, "samples.json")); err != nil {
		return err
	}
	data, err := json.Marshal(r)
	if err != nil {
		return err
	}
	// A line for each series, so that a diff shows which has changed.
	data = []byte(strings.ReplaceAll(string(data), `{"system"`, "\n"+`{"system"`) + "\n")
	files := map[string][]byte{"samples.json": data, "results.md": []byte(r.markdown())}
	for _, s := range r.Sections {
		if s.plot != nil && s.plot.lines != nil {
			files[s.Name+".svg"] = s.plot.svg()
		}
	}
	for name, data := range files {
		if err := os.WriteFile(filepath.Join(dir, name), data, 0o644); err != nil {
			return err
		}
	}
	return nil
}

// markdown returns all results, for a file next to the plot and the samples.
func (r *report) markdown() string {
	var b strings.Builder
	fmt.Fprintf(&b, "# Results\n\n%s. [All samples](samples.json).\n\n"+legend, r.Made)
	for _, s := range r.Sections {
		fmt.Fprintf(&b, "## %s\n\n%s\n\n", s.title, s.text)
		if s.made != "" && s.made != r.Made {
			fmt.Fprintf(&b, "Of another run: %s.\n\n", s.made)
		}
		if s.plot != nil {
			fmt.Fprintf(&b, "![%s](%s)\n\n", s.plot.title, s.Name+".svg")
		}
		b.WriteString(s.table() + "\n")
		for _, note := range s.notes {
			b.WriteString(note + "\n\n")
		}
	}
	if targets := r.targets(); len(targets) > 0 {
		b.WriteString("## Targets\n\n- " + strings.Join(targets, "\n- ") + "\n\n")
	}
	for _, s := range r.LeftOut {
		fmt.Fprintf(&b, "Left out: %s\n\n", s)
	}
	return b.String()
}

// performance is the document with a summary: its path from the root of the repository.
const performance = "docs/performance.md"

// The summary is between these lines.
const (
	pageBegin = "<!-- bench: written by go run ./localtest/bench -docs -->"
	pageEnd   = "<!-- bench: end -->"
)

// summarySystems are the summary's columns, and summaryRows its rows: medians of samples.
var (
	summarySystems = []string{limitName, peerName, memoryName, dynamoName}
	summaryRows    = []struct{ title, section, what string }{
		{"first byte of a stream, ms", "first", "first byte, 1 at once"},
		{"a stream of 10,000 events, ms", "length", "whole stream, 10,000 events"},
		{"a token's delay, ms", "tokens", "delay of a token"},
		{"an event's delay at another instance, ms", "elsewhere", "lag, 50 events a second"},
		{"stream resumed after a kill: its first missed event, ms", "elsewhere", "resumed after a kill"},
		{"run taken over after a kill: its next event, ms", "recovery", "taken over"},
		{"a million of the tutorial's tasks, $", "cost", "a million of the tutorial's tasks, streamed"},
	}
)

// summary returns the most important results for a document, with a link to all of them, in dir.
func (r *report) summary(dir string) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s. Medians; –: a system does not have that, or takes too long. [All results](%s).\n\n",
		r.Made, path.Join(dir, "results.md"))
	others := map[string][]string{} // sections' titles by their runs
	for _, s := range r.Sections {
		if s.made != "" && s.made != r.Made {
			others[s.made] = append(others[s.made], s.title)
		}
	}
	for _, made := range slices.Sorted(maps.Keys(others)) {
		fmt.Fprintf(&b, "Of another run – %s – are: %s.\n\n", made, strings.Join(others[made], "; "))
	}
	for _, s := range r.Sections {
		if s.plot != nil {
			fmt.Fprintf(&b, "![%s](%s)\n\n", s.plot.title, path.Join(dir, s.Name+".svg"))
		}
	}
	rows := [][]string{append([]string{""}, summarySystems...)}
	for _, row := range summaryRows {
		cells, measured := []string{row.title}, false
		for _, system := range summarySystems {
			cell := none
			if v := r.section(row.section).median(system, row.what); v > 0 {
				cell, measured = figure(v), true
			}
			cells = append(cells, cell)
		}
		if measured {
			rows = append(rows, cells)
		}
	}
	b.WriteString(table(rows))
	for _, s := range r.Sections {
		if s.columns && len(s.Series) > 0 {
			fmt.Fprintf(&b, "\n### %s\n\n%s\n\n%s", s.title, s.text, s.table())
		}
	}
	if targets := r.targets(); len(targets) > 0 {
		b.WriteString("\nTargets:\n\n- " + strings.Join(targets, "\n- ") + "\n")
	}
	return b.String()
}

// section returns the section of a measurement, or an empty one if it was not measured.
func (r *report) section(name string) *section {
	for _, s := range r.Sections {
		if s.Name == name {
			return s
		}
	}
	return new(section)
}

// rewrite replaces a document's summary with the summary of these results, which are in dir.
func (r *report) rewrite(page, dir string) error {
	before, after, err := splitPage(page)
	if err != nil {
		return err
	}
	from, err1 := filepath.Abs(filepath.Dir(page))
	to, err2 := filepath.Abs(dir)
	way, err3 := filepath.Rel(from, to)
	if err := errors.Join(err1, err2, err3); err != nil {
		return err
	}
	return os.WriteFile(page, []byte(before+"\n\n"+r.summary(filepath.ToSlash(way))+"\n"+after), 0o644)
}

// splitPage returns what stands before and after a document's summary, with the marking lines.
func splitPage(page string) (before, after string, err error) {
	text, err := os.ReadFile(page)
	if err != nil {
		return "", "", err
	}
	before, rest, begins := strings.Cut(string(text), pageBegin)
	_, after, ends := strings.Cut(rest, pageEnd)
	if !begins || !ends {
		return "", "", errors.New(page + " has no place for the results, between the lines\n" + pageBegin + "\n" + pageEnd)
	}
	return before + pageBegin, pageEnd + after, nil
}
