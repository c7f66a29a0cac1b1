package a2ahttp_test

import (
	"fmt"
	"io"
	"strings"
	"testing"

	"a2alambda/internal/memlog"
)

// BenchmarkParse reads messages without an id, which are refused after reading: with as many values
// or parts as allowed, or a long text. A body with far too many values is refused before. All in
// both bindings and versions.
func BenchmarkParse(b *testing.B) {
	keys := func(n int) string {
		var object strings.Builder
		for i := range n {
			fmt.Fprintf(&object, `"k%d":0,`, i)
		}
		return strings.TrimSuffix(object.String(), ",")
	}
	parts1, parts03 := strings.Repeat(`{"text":"x"},`, 49_000)+`{"text":"x"}`, strings.Repeat(`{"kind":"text","text":"x"},`, 33_000)+`{"kind":"text","text":"x"}`
	text := `"` + strings.Repeat("a long text ", 480_000) + `"`
	for _, test := range []struct{ name, part1, part03 string }{
		{"99000 keys", `{"data":{` + keys(99_000) + `}}`, `{"kind":"data","data":{` + keys(99_000) + `}}`},
		{"many parts", parts1, parts03},
		{"5.8 MB of text", `{"text":` + text + `}`, `{"kind":"text","text":` + text + `}`},
		{"400000 keys", `{"data":{` + keys(400_000) + `}}`, `{"kind":"data","data":{` + keys(400_000) + `}}`},
	} {
		for _, d := range []struct{ name, path, body, part string }{
			{"JSON-RPC 1.0", "/", `{"jsonrpc":"2.0","id":1,"method":"SendMessage","params":{"message":{"role":"ROLE_USER","parts":[%s]}}}`, test.part1},
			{"HTTP+JSON 1.0", "/message:send", `{"message":{"role":"ROLE_USER","parts":[%s]}}`, test.part1},
			{"with a tenant", "/acme/message:send", `{"message":{"role":"ROLE_USER","parts":[%s]}}`, test.part1},
			{"JSON-RPC 0.3", "/", `{"jsonrpc":"2.0","id":1,"method":"message/send","params":{"message":{"role":"user","parts":[%s]}}}`, test.part03},
		} {
			b.Run(test.name+"/"+d.name, func(b *testing.B) {
				h := handlerOf(new(memlog.Log), io.Discard, slow(0))
				body := fmt.Sprintf(d.body, d.part)
				b.SetBytes(int64(len(body)))
				b.ReportAllocs()
				for b.Loop() {
					r := post(b.Context(), body)
					r.URL.Path = d.path
					if w := serve(h, r); !strings.Contains(w.Body.String(), "error") {
						b.Fatalf("%.300s", w.Body)
					}
				}
			})
		}
	}
}
