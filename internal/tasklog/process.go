package tasklog

import (
	"crypto/rand"
	"strings"
)

// processBytes is how long the id of a process is: 50 random bits.
const processBytes = 10

// NewProcess returns an id for a process that holds leases.
func NewProcess() string { return rand.Text()[:processBytes] }

// NewWriter returns a name for the holder of a lease, for its [Claim]. It begins with the id of its
// process, so that others learn where to ask it, and who has died with it: "IDTENCHARS.…".
func NewWriter(process string) string { return process + "." + rand.Text()[:20] }

// ProcessOf returns the id of a holder's process, or "" if the holder does not name it.
func ProcessOf(holder string) string {
	id, _, ok := strings.Cut(holder, ".")
	if !ok || len(id) != processBytes {
		return ""
	}
	return id
}
