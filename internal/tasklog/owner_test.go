package tasklog_test

import (
	"testing"

	"a2alambda/internal/tasklog"
)

// TestOwner checks that equal subjects of different issuers are different owners, and that the
// readable part of an owner stays readable.
func TestOwner(t *testing.T) {
	seen := map[string]bool{}
	for _, of := range [][2]string{
		{"https://a.example", "alice"}, {"https://b.example", "alice"}, {"https://a.example", "alice smith"}, {"https://a.example/", "alice"},
		{"https://a.example", "https://b.example alice"}, {"", "alice"},
	} {
		issuer, subject := of[0], of[1]
		owner := subject
		if issuer != "" {
			owner = tasklog.Owner(issuer, subject)
		}
		if seen[owner] {
			t.Errorf("%q is two owners", owner)
		}
		seen[owner] = true
		if name, by := tasklog.Subject(owner); name != subject || by != issuer {
			t.Errorf("%q is %q of %q", owner, name, by)
		}
	}
}
