package protojson_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"

	"a2alambda/internal/protojson"
)

var wide = protojson.Limits{Values: 1 << 30, Depth: 1 << 30}

func TestScan(t *testing.T) {
	for _, test := range []struct{ text, want string }{
		{`{}`, ""},
		{` [ ] `, ""},
		{"\t{ \"a\" : [ 1 , -0.5e+10 , \"x\\u00e9\\ud83d\\ude00\" , true , false , null , { } ] }\r\n", ""},
		{`{"a":{"a":1},"b":[{"a":1},{"a":1}]}`, ""},
		{`"\"\\\/\b\f\n\r\t"`, ""},

		{``, "not JSON: it ends too early"},
		{`{`, "not JSON: it ends too early"},
		{`{"a"`, "not JSON: it ends too early"},
		{`{"a":1,}`, "not JSON: byte 8 is not what may be there"},
		{`[1 2]`, "not JSON: byte 4 is not what may be there"},
		{`[1}`, "not JSON: byte 3 is not what may be there"},
		{`{1:2}`, "not JSON: byte 2 is not what may be there"},
		{`01`, "not JSON: byte 2 is not what may be there"},
		{`1.`, "not JSON: it ends too early"},
		{"\"a\nb\"", "not JSON: byte 3 is not what may be there"},
		{`"\x"`, "not JSON: byte 2 is not what may be there"},
		{`"\u00g0"`, "not JSON: byte 2 is not what may be there"},
		{`nul`, "not JSON: byte 1 is not what may be there"},
		{"\xef\xbb\xbf{}", "not JSON: byte 1 is not what may be there"},

		{`{"a":1,"a":2}`, "a is given twice"},
		{`{"a":1,"\u0061":2}`, "a is given twice"},
		{`{"x":[0,{"y":{"b":1,"c":1,"b":null}}]}`, "x[1].y.b is given twice"},
		{`{"k":{` + members(100) + `,"n50":0}}`, "k.n50 is given twice"},
		{"{\"a\":[\"x\",\"\xff\"]}", "a[1] is not UTF-8"},
		{"\"\xed\xa0\x80\"", "is not UTF-8"}, // a surrogate
		{"{\"a\":{\"\xff\":1}}", "a has a name that is not UTF-8"},
		{`{"a":"\ud83d"}`, "a has half of a surrogate pair"},
		{`{"a":"\ude00\ud83d"}`, "a has half of a surrogate pair"},
		{`{"a":"\ud83dx"}`, "a has half of a surrogate pair"},
		{`{"a":"\ud83d\u0041"}`, "a has half of a surrogate pair"},
		{`{"` + strings.Repeat("é", 100) + `":["\ud83d"]}`, strings.Repeat("é", 32) + "… has half of a surrogate pair"},
	} {
		got := ""
		if err := protojson.Scan([]byte(test.text), wide); err != nil {
			got = err.Error()
		}
		if got != test.want {
			t.Errorf("%q: %q, want %q", test.text, got, test.want)
		}
	}
}

func members(n int) string {
	all := make([]string, n)
	for i := range all {
		all[i] = fmt.Sprintf(`"n%d":0`, i)
	}
	return strings.Join(all, ",")
}

func TestScanLimits(t *testing.T) {
	limits := protojson.Limits{Values: 10, Depth: 3}
	for text, want := range map[string]string{
		`[` + strings.Repeat("0,", 8) + `0]`:      "", // the array counts
		`[` + strings.Repeat("0,", 9) + `0]`:      "too many values",
		`{"a":{"b":[]},"c":[{}]}`:                 "",
		`{"a":{"b":[[]]}}`:                        "nested too deep",
		strings.Repeat("[", 1<<20):                "nested too deep",
		strings.Repeat(`[],`, 1000):               "not JSON: byte 3 is not what may be there",
		`["",` + strings.Repeat(`"x",`, 9) + `{}`: "too many values",
	} {
		err := protojson.Scan([]byte(text), limits)
		if want == "" && err != nil || want != "" && (err == nil || err.Error() != want) {
			t.Errorf("%.50q: %v, want %q", text, err, want)
		}
	}
}

// FuzzScan checks that Scan and the standard library agree on what is JSON, and that both read the
// same from a text that passes.
func FuzzScan(f *testing.F) {
	for _, text := range []string{
		`{"a":[1,-0.5e+10,"x\u00e9\ud83d\ude00",true,null,{}]}`, `[12345678901234567890,1e400,0.1,1E2,-0]`, `{"a":1,"a":2}`, `"\ud83d"`, "\"\xff\"", `01`, `"\u00zz"`,
	} {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		err := protojson.Scan(text, protojson.Limits{Values: 1 << 30, Depth: 9999})
		var want any
		wantErr := json.Unmarshal(text, &want)
		if errors.Is(err, protojson.ErrSyntax) && json.Valid(text) {
			t.Fatalf("%q: %v", text, err)
		}
		if err != nil {
			return
		}
		if !json.Valid(text) {
			t.Fatalf("%q passes", text)
		}
		r := protojson.NewReader(text)
		got := r.Any()
		if (r.Err() == nil) != (wantErr == nil) {
			t.Fatalf("%q: %v, want %v", text, r.Err(), wantErr)
		}
		if r.Err() == nil && !equal(got, want) {
			t.Fatalf("%q is read as %v, want %v", text, got, want)
		}
	})
}

// equal reports whether two values are the same, apart from numbers that keep their digits.
func equal(got, want any) bool {
	var again any
	return json.Unmarshal([]byte(marshal(got)), &again) == nil && marshal(again) == marshal(want)
}

func marshal(v any) string {
	data, _ := json.Marshal(v)
	return string(data)
}
