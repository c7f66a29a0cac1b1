package trace_test

import (
	"net/http"
	"strings"
	"testing"

	"a2alambda/internal/trace"
)

const (
	id     = "0af7651916cd43dd8448eb211c80319c"
	parent = "00-" + id + "-b7ad6b7169203331-01"
)

func TestFromHeader(t *testing.T) {
	for name, test := range map[string]struct {
		parent, state []string
		want          trace.Trace
	}{
		"none":                {nil, nil, trace.Trace{}},
		"a parent":            {[]string{parent}, nil, trace.Trace{Parent: parent}},
		"with state":          {[]string{parent}, []string{"a=1,b=2"}, trace.Trace{Parent: parent, State: "a=1,b=2"}},
		"state in two":        {[]string{parent}, []string{"a=1", "b=2"}, trace.Trace{Parent: parent, State: "a=1,b=2"}},
		"state alone":         {nil, []string{"a=1"}, trace.Trace{}},
		"two parents":         {[]string{parent, parent}, nil, trace.Trace{}},
		"a later version":     {[]string{"cc-" + parent[3:] + "-what"}, nil, trace.Trace{Parent: "cc-" + parent[3:] + "-what"}},
		"a later one, as 00":  {[]string{"01-" + parent[3:]}, nil, trace.Trace{Parent: "01-" + parent[3:]}},
		"00 that goes on":     {[]string{parent + "-what"}, nil, trace.Trace{}},
		"no version":          {[]string{"ff-" + parent[3:]}, nil, trace.Trace{}},
		"capitals":            {[]string{strings.ToUpper(parent)}, nil, trace.Trace{}},
		"too short":           {[]string{parent[:54]}, nil, trace.Trace{}},
		"a trace of zeros":    {[]string{"00-" + strings.Repeat("0", 32) + parent[35:]}, nil, trace.Trace{}},
		"a span of zeros":     {[]string{parent[:36] + strings.Repeat("0", 16) + "-01"}, nil, trace.Trace{}},
		"a state too long":    {[]string{parent}, []string{"a=" + strings.Repeat("1", 511)}, trace.Trace{Parent: parent}},
		"a state of no ASCII": {[]string{parent}, []string{"a=é"}, trace.Trace{Parent: parent}},
	} {
		got := trace.FromHeader(http.Header{"Traceparent": test.parent, "Tracestate": test.state})
		if got != test.want {
			t.Errorf("%s: got %+v, want %+v", name, got, test.want)
		}
		if again := trace.Parse(got.String()); again != got {
			t.Errorf("%s: %+v is %+v when it was stored", name, got, again)
		}
		wantID := ""
		if test.want.Parent != "" {
			wantID = id
		}
		if got.ID() != wantID {
			t.Errorf("%s: the id is %q", name, got.ID())
		}
		h := http.Header{}
		for k, v := range got.Header() {
			h[http.CanonicalHeaderKey(k)] = v
		}
		if passed := trace.FromHeader(h); passed != got {
			t.Errorf("%s: %+v is passed on as %+v", name, got, passed)
		}
	}
}
