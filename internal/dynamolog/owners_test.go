package dynamolog

import (
	"bytes"
	"compress/flate"
	"testing"

	"a2alambda/internal/tasklog"
)

// deflated returns b as it stands behind a body.
func deflated(b []byte) []byte {
	var buf bytes.Buffer
	w, _ := flate.NewWriterDict(&buf, flate.BestSpeed, dictionary)
	_, _ = w.Write(b)
	_ = w.Close()
	return buf.Bytes()
}

// FuzzOwners decodes what may be damaged. It never panics, and what it accepts has an owner for each
// event.
func FuzzOwners(f *testing.F) {
	f.Add(ownersOf([]tasklog.Entry{{Owner: "a"}, {Owner: "a"}, {}}), 3)
	f.Add([]byte{2, 1, 'a'}, 3)
	f.Add([]byte{0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1, 0}, 1)
	f.Add([]byte{1, 9, 'a'}, 1)
	f.Fuzz(func(t *testing.T, owners []byte, n int) {
		events := make([]tasklog.Event, max(0, n%1000))
		if err := own(events, deflated(owners)); err == nil && len(owners) > 0 {
			var entries []tasklog.Entry
			for _, e := range events {
				entries = append(entries, tasklog.Entry{Owner: e.Owner})
			}
			again := make([]tasklog.Event, len(events))
			if b := ownersOf(entries); b != nil {
				if err := own(again, deflated(b)); err != nil {
					t.Error(err)
				}
			}
			for i := range again {
				if again[i].Owner != events[i].Owner {
					t.Errorf("event %d is of %q, and then of %q", i, events[i].Owner, again[i].Owner)
				}
			}
		}
		_ = own(events, owners)
	})
}

// TestFormerBody reads a body with owners as a former version does: it ends with the events.
func TestFormerBody(t *testing.T) {
	entries := []tasklog.Entry{{JSON: []byte(`{"a":1}`), Owner: "a"}, {JSON: []byte(`{"b":2}`), Owner: "b"}}
	with := deflate(entries)
	entries[0].Owner, entries[1].Owner = "", ""
	if without := deflate(entries); !bytes.HasPrefix(with, without) || len(with) == len(without) {
		t.Errorf("the body %x does not begin with %x", with, without)
	}
}
