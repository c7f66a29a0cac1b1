package durable

import "a2alambda/internal/tasklog"

// InFlight reports whether a function that is called once may be under way, by the entries that the
// holder of a task's lease has recorded: a step with Once, or a message on its way to a peer, has
// begun, and has no outcome. Nobody may take the lease of such a holder before it has ended: the
// next run would take the call for interrupted.
func InFlight(steps []tasklog.Step) bool {
	begun := map[string]bool{}
	for _, s := range steps {
		x, err := Decode(s.JSON)
		switch {
		case err != nil:
			return true // of a later version
		case x.Kind == Began && (x.Type == TypeOnce || x.Type == TypeCall):
			begun[x.Name] = true
		case x.Name != "":
			delete(begun, x.Name)
		}
	}
	return len(begun) > 0
}
