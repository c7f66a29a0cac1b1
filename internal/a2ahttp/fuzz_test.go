package a2ahttp_test

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/tools/txtar"

	"a2alambda/internal/memlog"
)

// FuzzRequest sends any request, beginning with the transcripts'. The answer is always well-formed,
// shows no internals, and is no fault of the server.
func FuzzRequest(f *testing.F) {
	files, err := filepath.Glob("testdata/*.txtar")
	if err != nil || len(files) == 0 {
		f.Fatal("no transcripts", err)
	}
	for _, file := range files {
		archive, err := txtar.ParseFile(file)
		if err != nil {
			f.Fatal(err)
		}
		for i := 0; i < len(archive.Files); i += 2 {
			// An id in a transcript holds only in its own run.
			text := named.ReplaceAllString(string(archive.Files[i].Data), "2dba5dbc-1cf6-8ea2-99ea-589d5dddfc17")
			head, body, _ := strings.Cut(text, "\n\n")
			line, headers, _ := strings.Cut(head, "\n")
			verb, target, _ := strings.Cut(line, " ")
			f.Add(verb, target, headers, []byte(strings.TrimSuffix(body, "\n")))
		}
	}
	f.Fuzz(func(t *testing.T, verb, target, headers string, body []byte) {
		r, err := http.NewRequest(verb, "http://localhost:10000/"+strings.TrimPrefix(target, "/"), bytes.NewReader(body))
		if err != nil {
			t.Skip("net/http would refuse it")
		}
		r = r.WithContext(t.Context())
		for line := range strings.Lines(headers) {
			if name, value, ok := strings.Cut(strings.TrimSpace(line), ":"); ok {
				r.Header.Add(name, strings.TrimSpace(value))
			}
		}
		var logs bytes.Buffer
		w := serve(handlerOf(new(memlog.Log), &logs, slow(0)), r)
		if w.Code >= 500 || strings.Contains(logs.String(), "panic") {
			t.Fatalf("status %d: %s\nlogged %s", w.Code, w.Body, &logs)
		}
		answer, _ := io.ReadAll(w.Body)
		for _, words := range []string{"cannot unmarshal", "Go value", "json: ", "*a2a", "map[string]"} {
			if bytes.Contains(answer, []byte(words)) && !bytes.Contains(body, []byte(words)) && !strings.Contains(target, words) {
				t.Fatalf("%q is in the answer: %s", words, answer)
			}
		}
		switch kind := w.Result().Header.Get("Content-Type"); {
		case strings.HasPrefix(kind, "text/event-stream"):
			if problem := oneLined(string(answer)); problem != "" {
				t.Fatal(problem)
			}
		case strings.HasSuffix(kind, "json") && r.Method != http.MethodHead && w.Code != http.StatusNotModified && r.Header.Get("Range") == "":
			var fields map[string]json.RawMessage
			if err := json.Unmarshal(answer, &fields); err != nil {
				t.Fatalf("%v: %s", err, answer)
			}
			_, result := fields["result"]
			_, failed := fields["error"]
			if fields["jsonrpc"] != nil && result == failed {
				t.Fatalf("not exactly one of result and error: %s", answer)
			}
		}
	})
}
