package durable

import "a2alambda/internal/tasklog"

// InFlight says whether a function that is called once may be under way, by the entries that the
// holder of a task's lease has recorded: a step with Once, or a message on its way to a peer, has
// begun, and has no outcome. Nobody may take the lease of such a holder before it has ended: the
// next run would take the call for interrupted. Its zero value knows no entries.
type InFlight struct {
	begun  map[string]bool // by name
	unsure bool
}

// Add adds entries, in their order. It keeps none.
func (f *InFlight) Add(steps []tasklog.Step) {
	for _, s := range steps {
		x, err := Decode(s.JSON)
		switch {
		case err != nil: // of a later version
			f.unsure = true
		case x.Kind == Began && (x.Type == TypeOnce || x.Type == TypeCall):
			if f.begun == nil {
				f.begun = map[string]bool{}
			}
			f.begun[x.Name] = true
		case x.Name != "":
			delete(f.begun, x.Name)
		}
	}
}

// Any reports whether something may be under way.
func (f *InFlight) Any() bool { return f.unsure || len(f.begun) > 0 }
