package jsonline_test

import (
	"encoding/json"
	"reflect"
	"strings"
	"testing"
	"unicode"

	"a2alambda/internal/jsonline"
)

func TestClean(t *testing.T) {
	for data, want := range map[string]string{
		`{"a":"b"}`:                  `{"a":"b"}`,
		`"\u003c\u003E\u0026"`:       `"<>&"`,
		`"\\u003c"`:                  `"\\u003c"`, // a backslash, and no escape
		`"\\\u003c"`:                 `"\\<"`,
		`"\u003d\u00e9\u0085\u2028"`: `"\u003d\u00e9\u0085\u2028"`,
		"\"a\u0085b\"":               `"a\u0085b"`,
		"\"\u2028\u2029\"":           `"\u2028\u2029"`,
		"\"\x7f\u0080\u009f\u00a0\"": "\"\\u007f\\u0080\\u009f\u00a0\"",
		"\"å€😀\\n\"":                 "\"å€😀\\n\"",
		"\"\xff\"":                   "\"\xff\"", // not UTF-8: others refuse it
		`"\`:                         `"\`,
		"":                           "",
	} {
		before := strings.Clone(data)
		in := []byte(data)
		if got := string(jsonline.Clean(in)); got != want {
			t.Errorf("%s: got %s, want %s", data, got, want)
		}
		if string(in) != before {
			t.Errorf("%s has become %s", before, in)
		}
	}
}

// marshaler is a type that marshals itself, as the SDK's do.
type marshaler struct{ s string }

func (m marshaler) MarshalJSON() ([]byte, error) { return json.Marshal(m.s) }

// TestMarshal encodes every character of the Basic Multilingual Plane. Nothing is left that ends a
// line for some reader, HTML's characters are not escaped, and it reads back as the same text.
func TestMarshal(t *testing.T) {
	var all strings.Builder
	for r := rune(0); r < 0x10000; r++ {
		if r < 0xd800 || r > 0xdfff {
			all.WriteRune(r)
		}
	}
	raw, err := json.Marshal(all.String())
	if err != nil {
		t.Fatal(err)
	}
	raw = []byte(strings.NewReplacer(`\u2028`, "\u2028", `\u2029`, "\u2029").Replace(string(raw))) // as some clients
	for name, v := range map[string]any{
		"a string": all.String(), "a type that marshals itself": marshaler{all.String()}, "raw": json.RawMessage(raw),
		"a key": map[string]int{all.String(): 1},
	} {
		data, err := jsonline.Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		for i, r := range string(data) {
			if unicode.IsControl(r) || r == 0x2028 || r == 0x2029 {
				t.Errorf("%s: %U at %d", name, r, i)
			}
		}
		if !strings.Contains(string(data), "%&'") || !strings.Contains(string(data), ";<=>?") {
			t.Errorf("%s: HTML's characters are escaped: %.300s", name, data)
		}
		plain, _ := json.Marshal(v)
		var got, want any
		if err := json.Unmarshal(data, &got); err != nil {
			t.Fatal(name, err)
		}
		_ = json.Unmarshal(plain, &want)
		if !reflect.DeepEqual(got, want) {
			t.Errorf("%s is another value", name)
		}
	}
}

func FuzzClean(f *testing.F) {
	f.Add(`{"a":"\u003c\\u003c\u0085"}`)
	f.Fuzz(func(t *testing.T, s string) {
		var want any
		if json.Unmarshal([]byte(s), &want) != nil {
			t.Skip("no JSON")
		}
		var got any
		if err := json.Unmarshal(jsonline.Clean([]byte(s)), &got); err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%q is %v, was %v: %v", s, got, want, err)
		}
	})
}

// BenchmarkClean compares Clean with the encoding before it.
func BenchmarkClean(b *testing.B) {
	v := map[string]any{"statusUpdate": map[string]any{"taskId": strings.Repeat("a", 36), "status": strings.Repeat("text ", 40)}}
	data, err := json.Marshal(v)
	if err != nil {
		b.Fatal(err)
	}
	b.Run("encoding", func(b *testing.B) {
		for b.Loop() {
			_, _ = json.Marshal(v)
		}
	})
	b.Run("clean", func(b *testing.B) {
		for b.Loop() {
			jsonline.Clean(data)
		}
	})
}
