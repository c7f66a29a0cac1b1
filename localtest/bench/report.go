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

// The results in README.md are between these lines.
const (
	readmeBegin = "<!-- bench: written by go run ./localtest/bench -readme -->"
	readmeEnd   = "<!-- bench: end -->"
)

// legend tells what the systems are.
const legend = "- *limit*: a Lambda handler (`lambdaurl`) that only encodes each event and writes it\n" +
	"- *a2a-go*: the Go SDK's own server (2.4.0), in memory; *tutorial's Python*: its server (a2a-sdk 0.2.8, uvicorn), in memory\n" +
	"- *+ 5 ms*: each call to the store takes so much longer, as in a region\n" +
	"- *HTTP*: a server without a Lambda; all others are behind the same emulator of one\n\n"

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
	return os.WriteFile(filepath.Join(dir, "results.md"), []byte("# Results\n\n"+r.markdown("##", ".")), 0o644)
}

// markdown returns the results with headings of the level; dir is the way to the plots and samples.
func (r *report) markdown(heading, dir string) string {
	var b strings.Builder
	m := r.Machine
	fmt.Fprintf(&b, "`go run ./localtest/bench` of %s, %s: %s, %d cores, %s, %s; client and systems share the machine. "+
		"[All samples](%s).\n\n"+legend, m.Time.Format("2006-01-02"), r.Effort, m.CPU, m.Cores, m.OS, m.Go, path.Join(dir, "samples.json"))
	for _, s := range r.sections {
		fmt.Fprintf(&b, "%s %s\n\n%s\n\n", heading, s.title, s.text)
		if s.plot != nil {
			fmt.Fprintf(&b, "![%s](%s)\n\n", s.plot.title, path.Join(dir, s.name+".svg"))
		}
		b.WriteString(s.table.markdown() + "\n")
		for _, note := range s.notes {
			b.WriteString(note + "\n\n")
		}
	}
	if targets := r.targets(); len(targets) > 0 {
		fmt.Fprintf(&b, "%s Targets\n\n", heading)
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

// rewrite replaces the results in a README, which lies at the root of the repository, by these.
func (r *report) rewrite(readme, dir string) error {
	before, after, err := splitReadme(readme)
	if err != nil {
		return err
	}
	return os.WriteFile(readme, []byte(before+"\n\n"+r.markdown("###", filepath.ToSlash(dir))+after), 0o644)
}

// splitReadme returns what is before and after the results in a README, with the lines that mark them.
func splitReadme(readme string) (before, after string, err error) {
	text, err := os.ReadFile(readme)
	if err != nil {
		return "", "", err
	}
	before, rest, begins := strings.Cut(string(text), readmeBegin)
	_, after, ends := strings.Cut(rest, readmeEnd)
	if !begins || !ends {
		return "", "", errors.New(readme + " has no place for the results, between the lines\n" + readmeBegin + "\n" + readmeEnd)
	}
	return before + readmeBegin, readmeEnd + after, nil
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
