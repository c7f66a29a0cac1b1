// Package auth finds out who is calling: nobody in particular, an IAM principal, or the subject of
// a token.
package auth

import (
	"net/http"

	"github.com/a2aproject/a2a-go/v2/a2a"
)

// Scheme tells who sends requests. It may be used by many requests at once.
type Scheme interface {
	// Authenticate returns the owner of what the request does: a name of the caller that nobody
	// else has, whatever the scheme and its issuer, and that stays the same, or "" where callers
	// are not told apart. It has no more than some hundred bytes, besides the issuer's. The error
	// is an *[Error].
	Authenticate(r *http.Request) (owner string, err error)

	// Declare makes the scheme, if it asks anything of a caller, all that the card has of security
	// schemes and requirements. Maps and lists that the card had are left as they are.
	Declare(card *a2a.AgentCard)
}

// Error is why a request is refused. All of it is for the client.
type Error struct {
	Status    int    // 401, 403, or 503 where it can't be told now who is calling
	Challenge string // the WWW-Authenticate header, or "" for none
	Message   string
}

func (e *Error) Error() string { return e.Message }

// None returns the scheme of an open agent: everybody is the same owner, "".
func None() Scheme { return none{} }

type none struct{}

func (none) Authenticate(*http.Request) (string, error) { return "", nil }
func (none) Declare(*a2a.AgentCard)                     {}

// declare makes schemes the only ways to the agent, each of which will do, the one that most
// clients know first: some look no further.
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
