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
	name: "tiny", rounds: 1, streams: 3, clients: []int{1, 2}, lengths: []int{10}, patience: time.Minute, tokens: 5, replayed: 100,
	pageChunks: 20, pageReplayed: 100, others: 1,
}

// TestBench measures everything, a little.
func TestBench(t *testing.T) {
	localtest.Setup(t, "dynamodb")
	localtest.Setup(t, "python02")
	localtest.Setup(t, "chromium")
	dir := t.TempDir()
	page := filepath.Join(dir, "docs", "performance.md")
	if err := os.MkdirAll(filepath.Dir(page), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(page, []byte("before\n"+pageBegin+"\nold\n"+pageEnd+"\nafter\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	var targets bytes.Buffer
	results := filepath.Join(dir, "results")
	if err := measure(t.Context(), config{effort: tiny, out: results, page: page}, t.Output(), &targets); err != nil {
		t.Fatal(err)
	}
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
	for _, file := range []string{"results.md", summaryPlot + ".svg"} {
		if !strings.Contains(summary, "(../results/"+file+")") {
			t.Errorf("the document does not lead to %s:\n%s", file, summary)
		}
	}

	text := read(t, filepath.Join(results, "results.md"))
	for _, name := range []string{limitName, peerName, peerServerName, pythonName, memoryName, memorySlowName, dynamoName, dynamoSlowName, memoryServerName} {
		// A row each of first byte, long streams, tokens.
		if n := strings.Count(text, "\n| "+name+" | "); n < 3 {
			t.Errorf("%s has %d rows", name, n)
		}
	}
	if strings.Contains(text, "Left out") || strings.Contains(text, "NaN") || strings.Contains(text, "Inf") {
		t.Errorf("the results are\n%s", text)
	}

	var got struct {
		Machine machine
		Samples []struct {
			Measurement string
			series
		}
	}
	if err := json.Unmarshal([]byte(read(t, filepath.Join(results, "samples.json"))), &got); err != nil {
		t.Fatal(err)
	}
	if got.Machine.Cores < 1 || got.Machine.CPU == "unknown" || got.Machine.Commit == "unknown" {
		t.Errorf("the machine is %+v", got.Machine)
	}
	measured := map[string]int{}
	for _, s := range got.Samples {
		measured[s.Measurement]++
		if len(s.Values) == 0 || slices.Min(s.Values) < 0 || s.Unit == "" || s.System == "" || s.What == "" {
			t.Errorf("%s: %+v", s.Measurement, s)
		}
	}
	for _, name := range names() {
		if measured[name] < 2 {
			t.Errorf("%s has %d series", name, measured[name])
		}
	}
	plots, err := filepath.Glob(filepath.Join(results, "*.svg"))
	if err != nil || len(plots) < 3 {
		t.Errorf("the plots are %v, %v", plots, err)
	}
	for _, p := range plots {
		wellFormed(t, []byte(read(t, p)))
		if !strings.Contains(text, "("+filepath.Base(p)+")") {
			t.Errorf("%s is not shown", p)
		}
	}
}

func read(t *testing.T, path string) string {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// wellFormed checks that a picture is XML, all in one svg element.
func wellFormed(t *testing.T, svg []byte) {
	t.Helper()
	d := xml.NewDecoder(bytes.NewReader(svg))
	depth, roots := 0, 0
	for {
		token, err := d.Token()
		if err == io.EOF {
			break
		}
		if err != nil {
			t.Fatalf("%v in\n%s", err, svg)
		}
		switch e := token.(type) {
		case xml.StartElement:
			if depth == 0 {
				roots++
				if e.Name.Local != "svg" || e.Name.Space != "http://www.w3.org/2000/svg" {
					t.Errorf("the picture is a %v", e.Name)
				}
			}
			depth++
		case xml.EndElement:
			depth--
		}
	}
	if roots != 1 {
		t.Errorf("%d elements in\n%s", roots, svg)
	}
}

func TestPlots(t *testing.T) {
	odd := &system{name: `<a & "b">`, ours: true, server: true}
	for name, p := range map[string]*plot{
		"spans": {title: "<title>", x: "ms & s", spans: []span{{odd, 1, 2}, {&system{name: limitName}, 0.01, 10_000}}},
		"equal": {title: "one", x: "ms", spans: []span{{odd, 1, 1}}},
		"lines": {title: "<title>", x: "x", y: "<y>", lines: []line{{odd, [][2]float64{{10, 1}, {1000, 0.5}}}, {odd, [][2]float64{{10, 1}}}}},
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
	a := newAxis([]float64{0.5, 20, 3}, 100, 500)
	if got := a.ticks(); !slices.Equal(got, []float64{0.5, 1, 2, 5, 10, 20}) {
		t.Errorf("the ticks are %v", got)
	}
	for _, tick := range a.ticks() {
		if at := a.at(tick); at < 100 || at > 500 {
			t.Errorf("%v is at %v", tick, at)
		}
	}
}

func TestTargets(t *testing.T) {
	ms := func(v float64) *lengthResult { return &lengthResult{whole: []float64{v}} }
	got := lengthTargets(map[string]map[int]*lengthResult{
		limitName:        {10_000: ms(100)},
		memoryName:       {1000: ms(20), 10_000: ms(200), 100_000: ms(2500)},
		dynamoName:       {1000: ms(50), 10_000: ms(500)},
		peerName:         {1000: ms(1999)},
		memoryServerName: {1000: ms(20)},
		peerServerName:   {1000: ms(2001)},
	})
	want := []target{
		{"10,000 events, in memory, take 2.0× the limit's time (2× at most)", true},
		{"10,000 events, on DynamoDB Local, take 5.0× the limit's time (4× at most)", false},
		{memoryName + ": an event of 100,000 takes 1.2× the time of one of 1,000 (1.2× at most)", false}, // 1.25
		{"a2a-go takes 100× the time for 1,000 events (100× at least)", false},                           // 99.95
		{"a2a-go takes 100× the time for 1,000 events by HTTP (100× at least)", true},
	}
	if !slices.Equal(got, want) {
		t.Errorf("got %+v\nwant %+v", got, want)
	}
}

// TestSummary checks what a document has of a report.
func TestSummary(t *testing.T) {
	r := &report{Effort: "full", sections: []section{
		{
			name:    "first",
			targets: []target{{"the first byte is soon", true}},
			samples: []series{
				{limitName, "first byte, 1 at once", "ms", []float64{1, 3, 2}}, {limitName, "first byte, 8 at once", "ms", []float64{9}},
				{memoryName, "first byte, 1 at once", "ms", []float64{4}}, {memorySlowName, "first byte, 1 at once", "ms", []float64{5}},
			},
		},
		{name: "length", plot: &plot{title: "Time"}, targets: []target{{"it ends", false}}},
		{name: "cost", samples: []series{{"tutorial's task, streamed", "price of a million", "$", []float64{30}}}},
	}}
	_, got, _ := strings.Cut(r.summary("results"), "[All results](results/results.md).\n")
	want := `
![Time](results/length.svg)

|  | limit | a2a-go | a2alambda, memory | a2alambda, DynamoDB Local |
|---|--:|--:|--:|--:|
| first byte of a stream, ms | 2.0 | – | 4.0 | – |
| a million of the tutorial's tasks, $ | – | – | – | 30 |

Targets:

- reached: the first byte is soon
- **missed**: it ends
`
	if got != want {
		t.Errorf("got\n%swant\n%s", got, want)
	}
}

// TestPage checks that the results have a place in the project's document, and that it says how they got there.
func TestPage(t *testing.T) {
	before, _, err := splitPage("../../" + performance)
	if err != nil {
		t.Fatal(err)
	}
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
