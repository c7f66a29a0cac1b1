package wire_test

import (
	"strings"
	"testing"

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
