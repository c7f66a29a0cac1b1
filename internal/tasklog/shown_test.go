package tasklog_test

import (
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/a2aproject/a2a-go/v2/a2a"

	"a2alambda/internal/tasklog"
)

// with returns a text part after a change.
func with(text string, change func(*a2a.Part)) *a2a.Part {
	p := a2a.NewTextPart(text)
	change(p)
	return p
}

func TestJoinTexts(t *testing.T) {
	text := a2a.NewTextPart
	data := a2a.NewDataPart(map[string]any{"a": 1.0})
	described := with("m", func(p *a2a.Part) { p.Metadata = map[string]any{"a": 1.0} })
	markdown := with("*t*", func(p *a2a.Part) { p.MediaType = "text/markdown" })
	named := with("f", func(p *a2a.Part) { p.Filename = "f.txt" })
	for name, test := range map[string]struct{ parts, want a2a.ContentParts }{
		"one":                {a2a.ContentParts{text("a")}, a2a.ContentParts{text("a")}},
		"chunks":             {a2a.ContentParts{text("The"), text(" quick"), text(""), text("\nfox")}, a2a.ContentParts{text("The quick\nfox")}},
		"nothing in a row":   {a2a.ContentParts{text("a"), data, text("b")}, a2a.ContentParts{text("a"), data, text("b")}},
		"around another":     {a2a.ContentParts{text("a"), text("b"), data, text("c"), text("d")}, a2a.ContentParts{text("ab"), data, text("cd")}},
		"metadata":           {a2a.ContentParts{text("a"), described, text("b"), text("c")}, a2a.ContentParts{text("a"), described, text("bc")}},
		"two with metadata":  {a2a.ContentParts{described, described}, a2a.ContentParts{described, described}},
		"media type":         {a2a.ContentParts{text("a"), text("b"), markdown}, a2a.ContentParts{text("ab"), markdown}},
		"file name":          {a2a.ContentParts{named, text("a"), text("b")}, a2a.ContentParts{named, text("ab")}},
		"others in a row":    {a2a.ContentParts{data, data, markdown, markdown}, a2a.ContentParts{data, data, markdown, markdown}},
		"metadata of length": {a2a.ContentParts{with("a", func(p *a2a.Part) { p.Metadata = map[string]any{} }), text("b")}, a2a.ContentParts{text("ab")}},
	} {
		t.Run(name, func(t *testing.T) {
			// A fold shares what holds the parts.
			shared := []*a2a.Artifact{
				{ID: "1", Name: "n", Metadata: map[string]any{"k": "v"}, Parts: test.parts},
				{ID: "2", Parts: a2a.ContentParts{text("another")}},
			}
			before, parts := slices.Clone(shared), slices.Clone(test.parts)
			message := a2a.NewMessage(a2a.MessageRoleUser, text("first"), text("second"))
			task := &a2a.Task{ID: "t", ContextID: "c", Artifacts: shared, History: []*a2a.Message{message}}
			tasklog.JoinTexts(task)
			want := []*a2a.Artifact{{ID: "1", Name: "n", Metadata: map[string]any{"k": "v"}, Parts: test.want}, before[1]}
			if !reflect.DeepEqual(task.Artifacts, want) {
				t.Errorf("got %v, want %v", texts(task.Artifacts[0].Parts), texts(test.want))
			}
			if len(message.Parts) != 2 || !slices.Equal(shared, before) || !slices.Equal(shared[0].Parts, parts) {
				t.Error("it has changed what is shared")
			}
		})
	}
}

func texts(parts a2a.ContentParts) (texts []string) {
	for _, p := range parts {
		texts = append(texts, p.Text())
	}
	return texts
}

// TestShown checks that only tasks are changed, and only if there is something to join.
func TestShown(t *testing.T) {
	for name, test := range map[string]struct{ stored, want string }{
		"task": {
			`{"task":{"id":"t","artifacts":[{"artifactId":"a","parts":[{"text":"one "},{"text":"two"}]}],"contextId":"c","status":{"state":"TASK_STATE_WORKING","timestamp":"2026-01-01T00:00:00.000Z"}}}`,
			`{"task":{"id":"t","artifacts":[{"artifactId":"a","parts":[{"text":"one two"}]}],"contextId":"c","status":{"state":"TASK_STATE_WORKING","timestamp":"2026-01-01T00:00:00.000Z"}}}`,
		},
		"artifact": {`{"artifactUpdate":{"artifact":{"artifactId":"a","parts":[{"text":"one "},{"text":"two"}]},"contextId":"c","taskId":"t"}}`, ""},
		// If it were decoded and encoded, its fields would be in another order.
		"task with nothing to join": {`{"task":{"contextId":"c","id":"t","status":{"state":"TASK_STATE_WORKING"}}}`, ""},
	} {
		t.Run(name, func(t *testing.T) {
			if test.want == "" {
				test.want = test.stored
			}
			got, err := tasklog.Shown([]byte(test.stored))
			if err != nil || string(got) != test.want {
				t.Errorf("got %s, %v\nwant %s", got, err, test.want)
			}
		})
	}
}

// BenchmarkJoinTexts joins as many texts as a long answer has tokens.
func BenchmarkJoinTexts(b *testing.B) {
	for name, n := range map[string]int{"1000": 1000, "100000": 100_000} {
		parts := make(a2a.ContentParts, n)
		for i := range parts {
			parts[i] = a2a.NewTextPart(strings.Repeat("x", 5))
		}
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				tasklog.JoinTexts(&a2a.Task{Artifacts: []*a2a.Artifact{{ID: "a", Parts: parts}}})
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(n), "ns/part")
		})
	}
}
