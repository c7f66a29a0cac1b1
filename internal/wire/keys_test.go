package wire_test

import (
	"fmt"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"

	"a2alambda/internal/memlog"
	"a2alambda/internal/wire"
)

func TestCamelKeys(t *testing.T) {
	for _, test := range []struct{ json, want string }{
		{`{}`, `{}`},
		{`{"message_id":"a_b"}`, `{"messageId":"a_b"}`},
		{` [ { "a_b" : [ "c_d" , { "e__f_" : null } ] } ] `, ` [ { "aB" : [ "c_d" , { "eF" : null } ] } ] `},
		{`{"a":{"b_c":1},"d_e":{"f_g":2}}`, `{"a":{"bC":1},"dE":{"fG":2}}`},
		{`{"a_b":1,"aB":2}`, `{"a_b":1,"aB":2}`}, // camelCase counts, wherever it is
		{`{"aB":1,"a_b":2}`, `{"aB":1,"a_b":2}`},
		{`{"a_b":1,"x":{"aB":2}}`, `{"aB":1,"x":{"aB":2}}`},
		{`{"a_\u0062\"":"_\"_","c\\":"_"}`, `{"aB\"":"_\"_","c\\":"_"}`},
		{`{"metadata":{"a_b":"}"},"data":[{"a_b":"\"]"}],"a_b":1}`, `{"metadata":{"a_b":"}"},"data":[{"a_b":"\"]"}],"aB":1}`},
		{`{"x":{"data":{"a_b":1}},"a_b":{"metadata":"a_b"}}`, `{"x":{"data":{"a_b":1}},"aB":{"metadata":"a_b"}}`},
		{`{"Metadata":{"a_b":1},"meta\u0064ata":{"a_b":1}}`, `{"Metadata":{"a_b":1},"meta\u0064ata":{"a_b":1}}`}, // by those names, too
		{`{"meta_data":{"a_b":1}}`, `{"metaData":{"a_b":1}}`},
	} {
		if got := string(wire.CamelKeys([]byte(test.json))); got != test.want {
			t.Errorf("%s becomes %s, want %s", test.json, got, test.want)
		}
	}
}

// TestCamelKeysCost checks that what is the client's own is not decoded when keys are renamed: as maps it would take many times its
// length.
func TestCamelKeysCost(t *testing.T) {
	long := []byte(`{"message_id":"m","metadata":{"x":[` + strings.Repeat(`{"a":0},`, 10_000) + `0]}}`)
	if n := testing.AllocsPerRun(5, func() { wire.CamelKeys(long) }); n > 100 {
		t.Errorf("%v allocations", n)
	}
}

// TestDepth sends what is nested as deep as may be, which can be read again, and deeper, in every dialect.
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
				w := httptest.NewRecorder()
				h.ServeHTTP(w, r)
				return w
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
			w = httptest.NewRecorder()
			if h.ServeHTTP(w, r); w.Code != 200 || idIn(w.Body.String()) != id {
				t.Errorf("%s: the task is %d %.300s", name, w.Code, w.Body)
			}
			w = send(limit - test.around + 1)
			if !strings.Contains(w.Body.String(), "params are nested more than 500 levels deep") || test.path != "/" && w.Code != 400 {
				t.Errorf("%s: over the limit %d %.300s", name, w.Code, w.Body)
			}
		}
	})
}

// TestValues sends as many values as may be, and more.
func TestValues(t *testing.T) {
	h := handlerOf(new(memlog.Log), t.Output(), slow(0))
	for n, want := range map[int]bool{100_000: true, 250_000: false} {
		body := fmt.Sprintf(`{"jsonrpc":"2.0","id":1,"method":"message/send","params":{"message":{"kind":"message","messageId":"%d","role":"user",`+
			`"parts":[{"kind":"data","data":{"x":[0%s]}}]},"configuration":{"blocking":false}}}`, n, strings.Repeat(",0", n))
		w := httptest.NewRecorder()
		h.ServeHTTP(w, post(t.Context(), body))
		if got := !strings.Contains(w.Body.String(), "params have more than 250000 values"); got != want {
			t.Errorf("%d values: %.200s", n, w.Body)
		}
	}
}
