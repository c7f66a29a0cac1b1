package durable_test

import (
	"encoding/json"
	"fmt"
	"testing"

	"a2alambda/internal/durable"
	"a2alambda/internal/tasklog"
)

// TestInFlight checks which entries say that a call may be under way that happens only once.
func TestInFlight(t *testing.T) {
	began := func(typ durable.Type, name string) durable.Entry {
		return durable.Entry{Kind: durable.Began, Type: typ, Name: name, Attempt: 1}
	}
	after := func(kind durable.Kind, typ durable.Type, name string) durable.Entry {
		return durable.Entry{Kind: kind, Type: typ, Name: name, Error: &durable.Recorded{}}
	}
	once, call := began(durable.TypeOnce, "charge"), began(durable.TypeCall, "ask")
	for _, test := range []struct {
		name    string
		entries []durable.Entry
		want    bool
	}{
		{"nothing", nil, false},
		{"a step", []durable.Entry{began(durable.TypeDo, "think")}, false},
		{"a call that happens once", []durable.Entry{once}, true},
		{"beside a step", []durable.Entry{once, after(durable.Done, durable.TypeDo, "think")}, true},
		{"done", []durable.Entry{once, after(durable.Done, durable.TypeOnce, "charge")}, false},
		{"failed", []durable.Entry{once, after(durable.Failed, durable.TypeOnce, "charge")}, false},
		{"canceled", []durable.Entry{once, after(durable.Canceled, durable.TypeOnce, "charge")}, false},
		{"two, and one is done", []durable.Entry{once, began(durable.TypeOnce, "book"), after(durable.Done, durable.TypeOnce, "charge")}, true},
		{"a message on its way", []durable.Entry{call}, true},
		{"a message that has arrived", []durable.Entry{call, after(durable.Noted, durable.TypeCall, "ask")}, false},
		{"an entry of a later version", []durable.Entry{after("tomorrow", durable.TypeDo, "think")}, true},
	} {
		for _, together := range []bool{true, false} {
			var f durable.InFlight
			var steps []tasklog.Step
			for i, e := range test.entries {
				data, err := json.Marshal(e)
				if err != nil {
					t.Fatal(err)
				}
				steps = append(steps, tasklog.Step{Place: int64(i + 1), JSON: data})
				if !together {
					f.Add(steps[i:])
				}
			}
			if together {
				f.Add(steps)
			}
			if f.Any() != test.want {
				t.Error(fmt.Sprintf("%s, together: %t:", test.name, together), f.Any())
			}
		}
	}
}
