package run

import (
	"crypto/rand"
	"strings"
)

// processBytes is how long the id of a process is: 50 random bits.
const processBytes = 10

// Writer returns a new name for the holder of a lease, as a [tasklog.Claim] has it. It begins with the
// id of this process, so that others learn who has died with it: "IDTENCHARS.…".
func (r *Runner) Writer() string { return r.process + "." + rand.Text()[:20] }

// processOf returns the id of a holder's process, or "" if the holder does not name it.
func processOf(holder string) string {
	id, _, ok := strings.Cut(holder, ".")
	if !ok || len(id) != processBytes {
		return ""
	}
	return id
}
