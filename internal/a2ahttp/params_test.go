package a2ahttp_test

import (
	"fmt"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"

	"a2alambda/internal/memlog"
)

// TestDepth sends values of the greatest depth, which can be read again, and deeper, in every
// dialect.
func TestDepth(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for name, test := range map[string]struct {
			path, body, get string
			around          int // levels in the params around the data
		}{
			"1.0":           {"/", `{"jsonrpc":"2.0","id":1,"method":"SendMessage","params":{"message":{"messageId":"%d","role":"ROLE_USER","parts":[{"data":%s}]}}}`, `{"jsonrpc":"2.0","id":1,"method":"GetTask","params":{"id":%q}}`, 4},
			"1.0, metadata": {"/", `{"jsonrpc":"2.0","id":1,"method":"SendMessage","params":{"metadata":{"x":[[%[2]s]]},"message":{"messageId":"%[1]d","role":"ROLE_USER","parts":[{"text":"x"}]}}}`, `{"jsonrpc":"2.0","id":1,"method":"GetTask","params":{"id":%q}}`, 4},
			"0.3":           {"/", `{"jsonrpc":"2.0","id":1,"method":"message/send","params":{"message":{"kind":"message","messageId":"%d","role":"user","parts":[{"kind":"data","data":{"x":%s}}]}}}`, `{"jsonrpc":"2.0","id":1,"method":"tasks/get","params":{"id":%q}}`, 5},
			"1.0 over HTTP": {"/message:send", `{"message":{"messageId":"%d","role":"ROLE_USER","parts":[{"data":%s}]}}`, "", 4},
			"0.3 over HTTP": {"/v1/message:send", `{"request":{"messageId":"%d","role":"ROLE_USER","content":[{"data":{"data":{"x":%s}}}]}}`, "", 6},
			"with a tenant": {"/t/message:send", `{"message":{"messageId":"%d","role":"ROLE_USER","parts":[{"data":%s}]}}`, "", 4},
		} {
			h := handlerOf(new(memlog.Log), t.Output(), slow(0))
			send := func(levels int) *httptest.ResponseRecorder {
				nested := strings.Repeat("[", levels) + `"]"` + strings.Repeat("]", levels)
				r := post(t.Context(), fmt.Sprintf(test.body, levels, nested))
				r.URL.Path = test.path
				return serve(h, r)
			}
			const limit = 500
			w := send(limit - test.around)
			id := idIn(w.Body.String())
			if w.Code != 200 || id == "" {
				t.Errorf("%s: at the limit %d %.300s", name, w.Code, w.Body)
				continue
			}
			r := httptest.NewRequest("GET", strings.TrimSuffix(test.path, "message:send")+"tasks/"+id, nil)
			if test.get != "" {
				r = post(t.Context(), fmt.Sprintf(test.get, id))
			}
			if w = serve(h, r); w.Code != 200 || idIn(w.Body.String()) != id {
				t.Errorf("%s: the task is %d %.300s", name, w.Code, w.Body)
			}
			w = send(limit - test.around + 1)
			if !strings.Contains(w.Body.String(), "params are nested more than 500 levels deep") || test.path != "/" && w.Code != 400 {
				t.Errorf("%s: over the limit %d %.300s", name, w.Code, w.Body)
			}
			if w = send(100_000); !strings.Contains(w.Body.String(), "params are nested more than 500 levels deep") {
				t.Errorf("%s: far over the limit %d %.300s", name, w.Code, w.Body)
			}
		}
	})
}

// TestValues sends as many values as allowed, and one more, anywhere in a body, in every dialect.
func TestValues(t *testing.T) {
	h := handlerOf(new(memlog.Log), t.Output(), slow(0))
	for name, test := range map[string]struct {
		path, body string
		around     int // values besides those in the list
	}{
		"1.0":              {"/", `{"jsonrpc":"2.0","id":1,"method":"SendMessage","params":{"message":{"messageId":"m","role":"ROLE_USER","parts":[{"data":%s}]}}}`, 10},
		"0.3":              {"/", `{"jsonrpc":"2.0","id":1,"method":"message/send","params":{"message":{"messageId":"m","role":"user","parts":[{"data":{"x":%s}}]}}}`, 11},
		"metadata":         {"/", `{"jsonrpc":"2.0","id":1,"method":"SendMessage","params":{"metadata":{"x":%s},"message":{"messageId":"m","role":"ROLE_USER","parts":[{"text":"x"}]}}}`, 12},
		"unknown":          {"/", `{"jsonrpc":"2.0","id":1,"method":"SendMessage","params":{"message":{"messageId":"m","role":"ROLE_USER","x":%s,"parts":[{"text":"x"}]}}}`, 11},
		"before the id":    {"/", `{"x":%s,"jsonrpc":"2.0","id":1,"method":"SendMessage","params":{"message":{"messageId":"m","role":"ROLE_USER","parts":[{"text":"x"}]}}}`, 11},
		"1.0 over HTTP":    {"/message:send", `{"message":{"messageId":"m","role":"ROLE_USER","parts":[{"data":%s}]}}`, 6},
		"unknown, by HTTP": {"/message:send", `{"x":%s,"message":{"messageId":"m","role":"ROLE_USER","parts":[{"text":"x"}]}}`, 7},
		"0.3 over HTTP":    {"/v1/message:send", `{"message":{"messageId":"m","role":"ROLE_USER","content":[{"data":{"data":{"x":%s}}}]}}`, 8},
	} {
		for more, want := range map[int]bool{0: true, 1: false} {
			const limit = 100_000
			list := "[0" + strings.Repeat(",0", limit-test.around-2+more) + "]"
			r := post(t.Context(), fmt.Sprintf(test.body, list))
			r.URL.Path = test.path
			w := serve(h, r)
			refused := strings.Contains(w.Body.String(), "params are in a request of more than 100000 JSON values")
			if refused == want || want == strings.Contains(w.Body.String(), `"error"`) {
				t.Errorf("%s, %d more than the limit: %d %.300s", name, more, w.Code, w.Body)
			}
			if !want && test.path == "/" && !strings.HasPrefix(w.Body.String(), `{"jsonrpc":"2.0","id":1,`) {
				t.Errorf("%s: the answer has another id: %.100s", name, w.Body)
			}
		}
	}
}
