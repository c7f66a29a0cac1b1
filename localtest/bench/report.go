package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"path/filepath"
	"strings"
)

// report is the outcome of a run.
type report struct {
	Machine machine  `json:"machine"`
	Effort  string   `json:"effort"`
	LeftOut []string `json:"leftOut"`

	sections []section
}

// performance is the document that has a summary, by its path from the root of the repository.
const performance = "docs/performance.md"

// The summary is between these lines.
const (
	pageBegin = "<!-- bench: written by go run ./localtest/bench -docs -->"
	pageEnd   = "<!-- bench: end -->"
)

// legend tells what the systems are.
const legend = "- *limit*: a Lambda handler (`lambdaurl`) that only encodes each event and writes it\n" +
	"- *a2a-go*: the Go SDK's own server (2.4.0), in memory; *tutorial's Python*: its server (a2a-sdk 0.2.8, uvicorn), in memory\n" +
	"- *+ 5 ms*: each call to the store takes so much longer, as in a region\n" +
	"- *HTTP*: a server without a Lambda; all others are behind the same emulator of one\n" +
	"- *× the limit*: how many times the limit's time; *a2a-go ÷ this*: how many times this row's time a2a-go takes\n\n"

// write puts results.md, samples.json and the plots into the directory. What was there of an earlier run is replaced.
func (r *report) write(dir string) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	type samples struct {
		Measurement string `json:"measurement"`
		series
	}
	all := struct {
		*report
		Samples []samples `json:"samples"`
	}{report: r}
	for _, s := range r.sections {
		for _, series := range s.samples {
			all.Samples = append(all.Samples, samples{s.name, series})
		}
		if s.plot != nil {
			if err := os.WriteFile(filepath.Join(dir, s.name+".svg"), s.plot.svg(), 0o644); err != nil {
				return err
			}
		}
	}
	data, err := json.Marshal(all)
	if err != nil {
		return err
	}
	// A series a line, so that a change of one shows as such.
	data = []byte(strings.ReplaceAll(string(data), `{"measurement"`, "\n"+`{"measurement"`))
	if err := os.WriteFile(filepath.Join(dir, "samples.json"), append(data, '\n'), 0o644); err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(dir, "results.md"), []byte(r.markdown()), 0o644)
}

// made tells when, how and where the results were made.
func (r *report) made() string {
	m := r.Machine
	return fmt.Sprintf("`go run ./localtest/bench` of %s, %s: %s, %d cores, %s, %s; client and systems share the machine",
		m.Time.Format("2006-01-02"), r.Effort, m.CPU, m.Cores, m.OS, m.Go)
}

// markdown returns all results, for a file beside the plots and samples.
func (r *report) markdown() string {
	var b strings.Builder
	fmt.Fprintf(&b, "# Results\n\n%s. [All samples](samples.json).\n\n"+legend, r.made())
	for _, s := range r.sections {
		fmt.Fprintf(&b, "## %s\n\n%s\n\n", s.title, s.text)
		if s.plot != nil {
			fmt.Fprintf(&b, "![%s](%s)\n\n", s.plot.title, s.name+".svg")
		}
		b.WriteString(s.table.markdown() + "\n")
		for _, note := range s.notes {
			b.WriteString(note + "\n\n")
		}
	}
	if targets := r.targets(); len(targets) > 0 {
		b.WriteString("## Targets\n\n")
		for _, t := range targets {
			b.WriteString("- " + t.String() + "\n")
		}
		b.WriteString("\n")
	}
	for _, s := range r.LeftOut {
		fmt.Fprintf(&b, "Left out: %s\n\n", s)
	}
	return b.String()
}

// summaryPlot is the section whose plot the summary has.
const summaryPlot = "length"

// summarySystems are the columns of the summary, and summaryRows its rows: medians of samples.
var (
	summarySystems = []string{limitName, peerName, memoryName, dynamoName}
	summaryRows    = []struct {
		title, section, what string
		ours                 string // who has the samples, if that is no system: they are this project's, on DynamoDB
	}{
		{"first byte of a stream, ms", "first", "first byte, 1 at once", ""},
		{"a stream of 10,000 events, ms", "length", "whole stream, 10,000 events", ""},
		{"a token's delay, ms", "tokens", "delay of a token", ""},
		{"an event's delay at another instance, ms", "elsewhere", "lag, 50 events a second", ""},
		{"stream resumed after a kill: its first missed event, ms", "elsewhere", "resumed after a kill", ""},
		{"run taken over after a kill: its next event, ms", "recovery", "taken over", ""},
		{"a million of the tutorial's tasks, $", "cost", "price of a million", "tutorial's task, streamed"},
	}
)

// summary returns the most important results, for a document. dir is the way to the plots and to all results.
func (r *report) summary(dir string) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s. Medians; –: a system does not have that, or takes too long. [All results](%s).\n\n",
		r.made(), path.Join(dir, "results.md"))
	for _, s := range r.sections {
		if s.name == summaryPlot {
			fmt.Fprintf(&b, "![%s](%s)\n\n", s.plot.title, path.Join(dir, s.name+".svg"))
		}
	}
	all := table{head: append([]string{""}, summarySystems...)}
	for _, row := range summaryRows {
		cells, measured := []string{row.title}, false
		for _, system := range summarySystems {
			cell, name := none, system
			if row.ours != "" {
				name = map[string]string{dynamoName: row.ours}[system]
			}
			if samples := r.samples(row.section, name, row.what); len(samples) > 0 {
				cell, measured = figure(percentile(samples, 50)), true
			}
			cells = append(cells, cell)
		}
		if measured {
			all.add(cells...)
		}
	}
	b.WriteString(all.markdown())
	if targets := r.targets(); len(targets) > 0 {
		b.WriteString("\nTargets:\n\n")
		for _, t := range targets {
			b.WriteString("- " + t.String() + "\n")
		}
	}
	return b.String()
}

// samples returns those of a quantity, or nil if it was not measured.
func (r *report) samples(section, system, what string) []float64 {
	for _, s := range r.sections {
		for _, series := range s.samples {
			if s.name == section && series.System == system && series.What == what {
				return series.Values
			}
		}
	}
	return nil
}

// rewrite replaces the summary in a document by that of these results, which are in dir.
func (r *report) rewrite(page, dir string) error {
	before, after, err := splitPage(page)
	if err != nil {
		return err
	}
	way, err := linkTo(dir, page)
	if err != nil {
		return err
	}
	return os.WriteFile(page, []byte(before+"\n\n"+r.summary(way)+"\n"+after), 0o644)
}

// linkTo returns the way from a document to a directory, as a link has it.
func linkTo(dir, page string) (string, error) {
	from, err := filepath.Abs(filepath.Dir(page))
	if err != nil {
		return "", err
	}
	to, err := filepath.Abs(dir)
	if err != nil {
		return "", err
	}
	way, err := filepath.Rel(from, to)
	return filepath.ToSlash(way), err
}

// splitPage returns what is before and after the summary in a document, with the lines that mark them.
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

func (t target) String() string {
	if t.held {
		return "reached: " + t.text
	}
	return "**missed**: " + t.text
}

func (r *report) targets() (all []target) {
	for _, s := range r.sections {
		all = append(all, s.targets...)
	}
	return all
}

// printTargets tells which targets were reached.
func (r *report) printTargets(w io.Writer) {
	for _, t := range r.targets() {
		fmt.Fprintln(w, strings.ReplaceAll(t.String(), "*", ""))
	}
}
