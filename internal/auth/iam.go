package auth

import (
	"net/http"
	"strings"

	"github.com/a2aproject/a2a-go/v2/a2a"
)

// IAM returns the scheme of requests that are signed with AWS Signature Version 4 and verified by
// AWS before they come here, as at a function URL with AuthType AWS_IAM. It relies on user for the
// unique id of who signed a request, "" if nobody did: functionurl.IAMUser.
//
// The owner is that id, but of an assumed role ("AROA…:<session name>") only the role's: the
// session name is chosen by whoever assumes the role, so it proves nothing, and two instances of
// one service must see the same tasks. So all who may assume a role share their tasks, people with
// the same permission set of IAM Identity Center among them.
//
// Federated users ("<account>:<name>", of GetFederationToken) are refused: whoever asks for such
// credentials chooses the name, and so could be any of them; and nothing else says which user of
// the account that was. There is no role that it could be cut to: what is left is the id of the
// account's root user.
//
// A caller's permission to invoke the function must be limited to invocations through its URL
// (condition lambda:InvokedViaFunctionUrl): an event that is sent to the function directly says of
// its sender what it likes.
//
// https://docs.aws.amazon.com/lambda/latest/dg/urls-auth.html and
// https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_identifiers.html
func IAM(user func(*http.Request) string) Scheme { return iam{user} }

type iam struct{ user func(*http.Request) string }

// Authenticate: Lambda and API Gateway refuse what is not signed, or not well, with status 403
// themselves. An unsigned request comes here if the function's URL is public, in spite of what main
// was told.
func (s iam) Authenticate(r *http.Request) (string, error) {
	id := s.user(r)
	if id == "" {
		return "", &Error{Status: http.StatusForbidden, Challenge: "AWS4-HMAC-SHA256", Message: "the request must be signed with AWS Signature Version 4"}
	}
	before, _, ok := strings.Cut(id, ":")
	switch {
	case ok && strings.HasPrefix(id, "AROA"):
		return before, nil
	case ok && isAccount(before):
		return "", &Error{Status: http.StatusForbidden, Message: "federated users choose their names: sign as an IAM user, or with a role"}
	}
	return id, nil
}

func isAccount(id string) bool { return len(id) == 12 && strings.Trim(id, "0123456789") == "" }

func (iam) Declare(card *a2a.AgentCard) {
	declare(card, namedScheme{"iam", a2a.HTTPAuthSecurityScheme{
		Scheme:      "AWS4-HMAC-SHA256",
		Description: "AWS Signature Version 4, for the service lambda at a function URL and execute-api at an API Gateway",
	}})
}
