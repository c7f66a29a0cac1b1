package durable_test

import (
	"fmt"
	"testing"
	"time"

	"a2alambda/internal/durable"
	"a2alambda/internal/tasklog"
)

// TestAwaits says what a task waits for, by the ends of journals.
func TestAwaits(t *testing.T) {
	t.Parallel()
	now := time.UnixMilli(1_000_000)
	const (
		sleep    = `{"k":"waits","y":"sleep","n":"night","t":1,"u":2000000}`
		over     = `{"k":"waits","y":"sleep","n":"nap","t":1,"u":500000}`
		opened   = `{"k":"done","y":"callback","n":"hotel/booked","t":1,"r":{"due":2000000,"base":"http://x"}}`
		waited   = `{"k":"done","y":"callback","b":"other","n":"hotel/booked/wait","t":1,"r":{}}`
		timedOut = `{"k":"done","y":"callback","n":"late","t":1,"r":{"due":900000,"base":"http://x"}}`
		refused  = `{"k":"failed","y":"callback","n":"no","t":1,"e":{"x":"no room"}}`
		called   = `{"k":"noted","y":"call","n":"receipt","t":1,"m":{}}`
		tried    = `{"k":"tried","y":"do","n":"quote","t":1,"u":2000000,"e":{"x":"busy"}}`
		done     = `{"k":"done","y":"do","n":"quote","t":1,"r":1}`
		parked   = `{"k":"parked","t":1,"u":2000000,"x":{"step":"s","expected":"a","got":"b"}}`
	)
	for _, c := range []struct {
		entries []string
		want    string
	}{
		{nil, ""},
		{[]string{sleep}, `the end of "night", at 1970-01-01T00:33:20Z`},
		{[]string{over}, ""},
		{[]string{opened, done}, `the callback "hotel/booked"`},
		{[]string{opened, waited}, ""},
		{[]string{sleep, opened, waited}, `the end of "night", at 1970-01-01T00:33:20Z`},
		{[]string{timedOut, refused}, ""},
		{[]string{opened, called}, `the answer to "receipt" of another agent`},
		{[]string{tried}, `the next attempt of "quote", at 1970-01-01T00:33:20Z`},
		{[]string{tried, done}, ""},
		{[]string{sleep, parked}, ""},
		{[]string{sleep, "{"}, ""},
	} {
		var steps []tasklog.Step
		for i, e := range c.entries {
			if _, err := durable.Decode([]byte(e)); err != nil && e != "{" {
				t.Fatalf("%s: %v", e, err)
			}
			steps = append(steps, tasklog.Step{Place: int64(i) + 7, JSON: []byte(e)})
		}
		if got := durable.Awaits(steps, now); got != c.want {
			t.Errorf("%q: %q, want %q", fmt.Sprint(c.entries), got, c.want)
		}
	}
}
