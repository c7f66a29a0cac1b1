package main

import (
	"bytes"
	"encoding/json"
	"encoding/xml"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"a2alambda/localtest"
)

// tiny is enough to see that everything works. Its figures mean nothing.
var tiny = effort{
	name: "tiny", rounds: 1, streams: 3, clients: []int{1, 2}, lengths: []int{10}, patience: time.Minute, tokens: 5, beside: 3,
	pageChunks: 20, pageReplayed: 100, resumes: 1, sizes: []int{256}, colds: 2, tutorials: 1, dense: []int{10}, drains: []int{30},
}

func TestBench(t *testing.T) {
	localtest.Setup(t, "dynamodb")
	localtest.Setup(t, "python02")
	localtest.Setup(t, "chromium")
	dir := t.TempDir()
	page := filepath.Join(dir, "docs", "performance.md")
	localtest.Must(t, os.MkdirAll(filepath.Dir(page), 0o755))
	localtest.Must(t, os.WriteFile(page, []byte("before\n"+pageBegin+"\nold\n"+pageEnd+"\nafter\n"), 0o644))
	var targets bytes.Buffer
	results := filepath.Join(dir, "results")
	localtest.Must(t, measure(t.Context(), config{effort: tiny, out: results, page: page}, t.Output(), &targets))
	if !strings.Contains(targets.String(), "first byte, in memory, takes") {
		t.Errorf("the targets are\n%s", &targets)
	}

	summary := read(t, page)
	if !strings.HasPrefix(summary, "before\n"+pageBegin+"\n") || !strings.HasSuffix(summary, pageEnd+"\nafter\n") || strings.Contains(summary, "\nold\n") {
		t.Errorf("the document is\n%s", summary)
	}
	for _, row := range summaryRows {
		// Streams are shorter here, and no run is cut off.
		want := row.section != "length" && row.section != "recovery"
		if strings.Contains(summary, "\n| "+row.title+" | ") != want {
			t.Errorf("%s has no row, or one without figures, in\n%s", row.title, summary)
		}
	}
	for _, row := range []string{"agent: a token's delay", "a million of the tutorial's tasks: all", "sweeper: a month, when 1,000 tasks run", "callback: a delivery, billed", "push: cold start"} {
		if !strings.Contains(summary, "\n| "+row) {
			t.Errorf("the memory sizes have no %s in\n%s", row, summary)
		}
	}
	for _, file := range []string{"results.md", "length.svg"} {
		if !strings.Contains(summary, "(../results/"+file+")") {
			t.Errorf("the document does not lead to %s:\n%s", file, summary)
		}
	}

	text := read(t, filepath.Join(results, "results.md"))
	for _, name := range []string{
		limitName, memoryName, memoryName + slower, dynamoName, dynamoName + slower, peerName, memoryName + byHTTP, peerName + byHTTP,
		"tutorial's Python" + byHTTP,
	} {
		// Two rows of first bytes, one of long streams and one of tokens, for a number of clients.
		if n := strings.Count(text, "\n| "+name+" | "); n < 6 {
			t.Errorf("%s has %d rows", name, n)
		}
	}
	if strings.Contains(text, "Left out") || strings.Contains(text, "NaN") || strings.Contains(text, "Inf") {
		t.Errorf("the results are\n%s", text)
	}

	var got report
	localtest.Must(t, json.Unmarshal([]byte(read(t, filepath.Join(results, "samples.json"))), &got))
	if strings.Contains(got.Made, "unknown") || !strings.Contains(text, got.Made) {
		t.Errorf("the machine is %s", got.Made)
	}
	for i, name := range names() {
		s := got.Sections[i]
		if s.Name != name || len(s.Series) < 2 && name != "recovery" {
			t.Errorf("%s has %d series, where %s should be", s.Name, len(s.Series), name)
		}
		for _, one := range s.Series {
			if len(one.Values) == 0 || slices.Min(one.Values) < 0 || one.Unit == "" || one.System == "" || one.What == "" {
				t.Errorf("%s: %+v", name, one)
			}
		}
	}
	wellFormed(t, []byte(read(t, filepath.Join(results, "length.svg"))))
	if !strings.Contains(text, "(length.svg)") {
		t.Error("the plot is not shown")
	}
}

func read(t *testing.T, path string) string {
	t.Helper()
	b, err := os.ReadFile(path)
	localtest.Must(t, err)
	return string(b)
}

// wellFormed checks that a picture is XML: one svg element.
func wellFormed(t *testing.T, svg []byte) {
	t.Helper()
	var root struct {
		XMLName xml.Name `xml:"http://www.w3.org/2000/svg svg"`
	}
	d := xml.NewDecoder(bytes.NewReader(svg))
	if err := d.Decode(&root); err != nil {
		t.Errorf("%v in\n%s", err, svg)
	}
	if rest := string(svg[d.InputOffset():]); strings.TrimSpace(rest) != "" {
		t.Errorf("after the picture comes %s", rest)
	}
}

func TestPlots(t *testing.T) {
	const odd = `<a & "b">`
	for name, p := range map[string]*plot{
		"lines": {title: "<title>", x: "x & s", y: "<y>", lines: []line{{odd, [][2]float64{{10, 1}, {1000, 0.5}}}, {limitName, [][2]float64{{10, 1}}}}},
		"equal": {title: "one", x: "ms", lines: []line{{odd, [][2]float64{{1, 1}}}}},
	} {
		t.Run(name, func(t *testing.T) {
			svg := p.svg()
			wellFormed(t, svg)
			if text := string(svg); strings.Contains(text, "NaN") || strings.Contains(text, "Inf") || !strings.Contains(text, "&lt;a &amp; &#34;b&#34;&gt;") {
				t.Errorf("the plot is\n%s", svg)
			}
		})
	}
}

func TestAxis(t *testing.T) {
	a := newAxis([]float64{0.9, 150, 3}, 100, 500)
	if got := a.ticks(); !slices.Equal(got, []float64{1, 10, 100}) {
		t.Errorf("the ticks are %v", got)
	}
	if begin, end := a.at(0.9), a.at(150); begin < 100 || begin > 120 || end < 480 || end > 500 {
		t.Errorf("the values are from %v to %v", begin, end)
	}
}

func TestTargets(t *testing.T) {
	r := &report{Sections: []*section{{Name: "length"}, {Name: "page"}}}
	for _, one := range []struct {
		system, events string
		ms             float64
	}{
		{limitName, "10,000", 100},
		{memoryName, "1,000", 20}, {memoryName, "10,000", 200}, {memoryName, "100,000", 2500},
		{dynamoName, "1,000", 50}, {dynamoName, "10,000", 500},
		{peerName, "1,000", 1999},
		{memoryName + byHTTP, "1,000", 20},
		{peerName + byHTTP, "1,000", 2001},
	} {
		r.Sections[0].add(one.system, "whole stream, "+one.events+" events", "ms", one.ms)
	}
	r.Sections[1].add(pageName, "replayed, whole", "ms", 1001)
	r.Sections[1].add(pageName, "streamed, longest task", "ms", 50)
	want := []string{
		"reached: 10,000 events, in memory, take 2.0× the limit's time (2× at most)",
		"**missed**: 10,000 events, on DynamoDB Local, take 5.0× the limit's time (4× at most)",
		"**missed**: " + memoryName + ": an event of 100,000 takes 1.2× the time of one of 1,000 (1.2× at most)", // 1.25
		"**missed**: a2a-go takes 100× the time for 1,000 events (100× at least)",                                // 99.95
		"reached: a2a-go takes 100× the time for 1,000 events by HTTP (100× at least)",
		"reached: chunks that come at 200 a second make the page no task longer than 50 ms (50)",
		"**missed**: the page replays 20,000 chunks in a second (1,001 ms)",
	}
	if got := r.targets(); !slices.Equal(got, want) {
		t.Errorf("got %q\nwant %q", got, want)
	}
}

func TestSummary(t *testing.T) {
	first := &section{Name: "first"}
	const one, eight = "first byte, 1 at once", "first byte, 8 at once"
	first.add(limitName, one, "ms", 1, 3, 2)
	first.add(limitName, eight, "ms", 9)
	first.add(memoryName, one, "ms", 4)
	first.add(peerName, one, "ms", 8)
	first.add(memoryName+byHTTP, one, "ms", 1)
	first.add(peerName+byHTTP, one, "ms", 3)
	cost := &section{Name: "cost"}
	cost.add(dynamoName, "a million of the tutorial's tasks, streamed", "$", 30)
	r := &report{Sections: []*section{first, {Name: "length", plot: &plot{title: "Time"}}, cost}}
	_, got, _ := strings.Cut(r.summary("results"), "[All results](results/results.md).\n")
	want := `
![Time](results/length.svg)

|  | limit | a2a-go | a2alambda, memory | a2alambda, DynamoDB Local |
|---|--:|--:|--:|--:|
| first byte of a stream, ms | 2.0 | 8.0 | 4.0 | – |
| a million of the tutorial's tasks, $ | – | – | – | 30 |

Targets:

- reached: the first byte, in memory, takes 2.0× the limit's time (2× at most)
`
	if got != want {
		t.Errorf("got\n%swant\n%s", got, want)
	}
	want = `|  |  | p50 | p99 | × the limit | a2a-go ÷ this |
|---|--:|--:|--:|--:|--:|
| limit | first byte, 1 at once, ms | 2.0 | 3.0 | 1.0× | 4.0× |
| a2alambda, memory | first byte, 1 at once, ms | 4.0 | – | 2.0× | 2.0× |
| a2a-go | first byte, 1 at once, ms | 8.0 | – | 4.0× | 1.0× |
| a2alambda, memory, HTTP | first byte, 1 at once, ms | 1.0 | – | 0.50× | 3.0× |
| a2a-go, HTTP | first byte, 1 at once, ms | 3.0 | – | 1.5× | 1.0× |
| limit | first byte, 8 at once, ms | 9.0 | – | 1.0× | – |
`
	if got := first.table(); got != want {
		t.Errorf("got\n%swant\n%s", got, want)
	}
}

// TestColumns checks the table that has a column for each system.
func TestColumns(t *testing.T) {
	s := &section{Name: "memory", title: "Sizes", text: "Each.", columns: true}
	s.add("128 MB", "agent: CPU", "ms", 3, 1, 2)
	s.add("256 MB", "agent: CPU", "ms", 4)
	for range manySamples - 1 {
		s.add("128 MB", "delay", "ms", 1)
		s.add("256 MB", "delay", "ms", 2)
	}
	s.add("128 MB", "delay", "ms", 1)
	s.add("256 MB", "delay", "ms", 2)
	s.add("256 MB", "price", "$", 5)
	const want = `|  | 128 MB | 256 MB |
|---|--:|--:|
| agent: CPU, ms | 2.0 | 4.0 |
| delay, ms, p50 | 1.0 | 2.0 |
| delay, ms, p99 | 1.0 | 2.0 |
| price, $ | – | 5.0 |
`
	if got := s.table(); got != want {
		t.Errorf("got\n%swant\n%s", got, want)
	}
	r := &report{Sections: []*section{s}}
	if got := r.summary("results"); !strings.Contains(got, "\n### Sizes\n\nEach.\n\n"+want) {
		t.Errorf("the summary is\n%s", got)
	}
}

func TestPage(t *testing.T) {
	before, _, err := splitPage("../../" + performance)
	localtest.Must(t, err)
	if want := "go run ./localtest/bench -docs"; strings.Count(before, want) < 2 {
		t.Errorf("%s does not name the command %q before the results", performance, want)
	}
	if err := measure(t.Context(), config{page: "bench.go"}, io.Discard, io.Discard); err == nil || !strings.Contains(err.Error(), pageEnd) {
		t.Errorf("a document without a place for the results: %v", err)
	}
}

func TestChoose(t *testing.T) {
	got, err := choose("tokens,first")
	if err != nil || len(got) != 2 || got[0].name != "tokens" || got[1].name != "first" {
		t.Errorf("got %v, %v", got, err)
	}
	if _, err := choose("nothing"); err == nil || !strings.Contains(err.Error(), "first, length") {
		t.Errorf("got %v", err)
	}
}
