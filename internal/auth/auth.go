// Package auth finds out who is calling: nobody in particular, an IAM principal, or the subject of
// a token.
package auth

import (
	"net/http"

	"github.com/a2aproject/a2a-go/v2/a2a"
)

// Scheme finds out who sends requests. Many requests may use it at once.
type Scheme interface {
	// Authenticate returns the owner of what the request does: a name that no other caller has,
	// under any scheme or issuer, and that never changes. It is "" where all callers are one.
	// Without the issuer, it has some hundred bytes at most. The error is an *[Error].
	Authenticate(r *http.Request) (owner string, err error)

	// Declare replaces the card's security schemes and requirements by the scheme's, if it asks
	// callers for anything. It does not change maps and lists that the card had.
	Declare(card *a2a.AgentCard)
}

// Error says why a request is refused. The client sees all of it.
type Error struct {
	Status    int    // 401, 403, or 503 if the caller can't be authenticated now
	Challenge string // the WWW-Authenticate header, or "" for none
	Message   string
}

func (e *Error) Error() string { return e.Message }

// None returns the scheme of an open agent: all callers are the owner "".
func None() Scheme { return none{} }

type none struct{}

func (none) Authenticate(*http.Request) (string, error) { return "", nil }
func (none) Declare(*a2a.AgentCard)                     {}

// declare makes these schemes the only ways to the agent; each of them will do. The best known one
// comes first: some clients look no further.
func declare(card *a2a.AgentCard, schemes ...namedScheme) {
	card.SecuritySchemes = make(a2a.NamedSecuritySchemes, len(schemes))
	card.SecurityRequirements = make(a2a.SecurityRequirementsOptions, len(schemes))
	for i, s := range schemes {
		card.SecuritySchemes[s.name] = s.scheme
		card.SecurityRequirements[i] = a2a.SecurityRequirements{s.name: {}}
	}
}

type namedScheme struct {
	name   a2a.SecuritySchemeName
	scheme a2a.SecurityScheme
}
