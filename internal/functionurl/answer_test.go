package functionurl_test

import (
	"bytes"
	"context"
	"encoding/json"
	"net/http"
	"strings"
	"testing"

	"a2alambda/internal/functionurl"
)

// sent returns the bytes that aws-lambda-go would send.
func sent(t *testing.T, h http.HandlerFunc, ev json.RawMessage) []byte {
	t.Helper()
	got, err := functionurl.Handler(h)(context.Background(), ev)
	if err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	encoder := json.NewEncoder(&b)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(got); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// TestLongAnswer checks that no answer in one piece is longer than Lambda takes, whatever encoding
// its body needs, and that Room says so before.
func TestLongAnswer(t *testing.T) {
	const most = 6 << 20
	for _, name := range []string{"rest.json", "http.json"} {
		for what, piece := range map[string]string{
			"text": "xxxxxxxx", "HTML": "<>&<>&", "quotes": `"\\`, "controls": "\x00\x1f\n\r\t\b\f", "separators": "\u2028\u2029\u0085", "emoji": "🙂", "binary": "\xff\xfe\x00",
		} {
			if name == "http.json" && what != "quotes" && what != "binary" {
				continue // the same
			}
			for _, n := range []int{900_000, 3_000_000, 6_000_000} {
				body := []byte(strings.Repeat(piece, n/len(piece)))
				var left int
				answer := sent(t, func(w http.ResponseWriter, r *http.Request) {
					room := functionurl.Room(r)
					left = room(body)
					w.Header().Set("Content-Type", "application/json")
					w.Write(body)
				}, event(t, name))
				refused := bytes.Contains(answer, []byte("longer than 6 MB"))
				if len(answer) > most {
					t.Errorf("%s: %d bytes of %s are sent as %d", name, len(body), what, len(answer))
				}
				if left >= 0 && refused && what != "binary" { // JSON never is
					t.Errorf("%s: there was room for %d bytes of %s, which are refused", name, len(body), what)
				}
				if refused && (!bytes.Contains(answer, []byte("no-store")) || !bytes.Contains(answer, []byte("nosniff"))) {
					t.Errorf("%s: what is sent instead of %s may be kept by caches: %s", name, what, answer)
				}
				if full := len(body) * 2; refused && full < most/4 {
					t.Errorf("%s: %d bytes of %s are refused", name, len(body), what)
				}
			}
		}
	}
}

// TestRoomOfStream checks that a function URL's answer has no limit.
func TestRoomOfStream(t *testing.T) {
	answer(t, func(w http.ResponseWriter, r *http.Request) {
		if functionurl.Room(r) != nil {
			t.Error("a stream has been given a length")
		}
	}, event(t, "function-url.json"))
}
