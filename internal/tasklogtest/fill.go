package tasklogtest

import (
	"reflect"
	"time"

	"github.com/a2aproject/a2a-go/v2/a2a"
)

// Full returns an event of the type with a value in every field. So a test notices a field that a
// later version of the SDK adds. Its lists of parts have one of each kind, and data that is no
// object.
func Full[E any]() *E {
	e := new(E)
	fill(reflect.ValueOf(e).Elem())
	return e
}

func fill(v reflect.Value) {
	switch v.Kind() {
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		if at, ok := v.Interface().(*time.Time); ok {
			*at = time.Date(2026, 1, 2, 3, 4, 5, 678e6, time.UTC)
			return
		}
		fill(v.Elem())
	case reflect.Struct:
		for i := range v.NumField() {
			fill(v.Field(i))
		}
	case reflect.Slice:
		if v.Type() == reflect.TypeFor[a2a.ContentParts]() {
			v.Set(reflect.ValueOf(a2a.ContentParts{part(a2a.Text("<\u0085")), part(a2a.Text("")), part(a2a.Raw{0xff, 0}),
				part(a2a.URL("https://example.com/?a&b")), part(a2a.Data{Value: map[string]any{"<": []any{1.5, nil, "&"}}}),
				part(a2a.Data{Value: []any{1.5, "two"}}), part(a2a.Data{Value: "a string"})}))
			return
		}
		v.Set(reflect.MakeSlice(v.Type(), 2, 2))
		fill(v.Index(0))
		fill(v.Index(1))
	case reflect.Map:
		v.Set(reflect.ValueOf(map[string]any{"a<b": "c>d"}))
	case reflect.String:
		switch v.Type() {
		case reflect.TypeFor[a2a.TaskState]():
			v.SetString(string(a2a.TaskStateWorking))
		case reflect.TypeFor[a2a.MessageRole]():
			v.SetString(string(a2a.MessageRoleAgent))
		default:
			v.SetString("a text & more")
		}
	case reflect.Bool:
		v.SetBool(true)
	default:
		panic("no value for a field of type " + v.Type().String())
	}
}

func part(c a2a.PartContent) *a2a.Part {
	return &a2a.Part{Content: c, Filename: "f", MediaType: "a/b", Metadata: map[string]any{"k": "v"}}
}
