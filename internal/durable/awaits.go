package durable

import (
	"fmt"
	"slices"
	"time"

	"a2alambda/internal/tasklog"
)

// Awaits says what a suspended task waits for, for people, by the last entries of its journal: "the
// callback \"delivered\"". It is "" if these entries don't say.
func Awaits(steps []tasklog.Step, now time.Time) string {
	var names []string // of the calls that are under way, in order
	last := map[string]Entry{}
	for _, s := range steps {
		x, err := Decode(s.JSON)
		if err != nil || x.Kind == Parked {
			return ""
		}
		if x.Kind == Operated {
			continue
		}
		if _, ok := last[x.Name]; !ok {
			names = append(names, x.Name)
		}
		last[x.Name] = x
	}
	for _, name := range slices.Backward(names) {
		x := last[name]
		pending := now.Before(x.due())
		switch {
		case x.Type == TypeCallback && x.Kind == Done:
			// The entry of Wait ends it, and has another name.
			var opened openedCallback
			if _, waited := last[join(name, waitName)]; !waited && decodeInto(x, &opened) && now.UnixMilli() < opened.Due {
				return fmt.Sprintf("the callback %q", name)
			}
		case x.Kind == Done || x.Kind == Failed || x.Kind == Canceled:
		case x.Type == TypeSleep && pending:
			return fmt.Sprintf("the end of %q, at %s", name, x.due().UTC().Format(time.RFC3339))
		case x.Type == TypeCall:
			return fmt.Sprintf("the answer to %q of another agent", name)
		case x.Kind == Tried && pending:
			return fmt.Sprintf("the next attempt of %q, at %s", name, x.due().UTC().Format(time.RFC3339))
		}
	}
	return ""
}

func decodeInto(x Entry, opened *openedCallback) bool {
	var err error
	*opened, err = decode[openedCallback](&x)
	return err == nil && opened.Due > 0
}
