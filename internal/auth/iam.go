package auth

import (
	"net/http"
	"strings"

	"github.com/a2aproject/a2a-go/v2/a2a"
)

// IAM returns the scheme of requests that are signed with AWS Signature Version 4. AWS verifies
// them before they come here, as at a function URL with AuthType AWS_IAM. user returns the unique
// id of a request's signer, or "": functionurl.IAMUser.
//
// The owner is that id. Of an assumed role ("AROA…:<session name>") it is the role's part only:
// whoever assumes the role chooses the session name, so it proves nothing, and two instances of one
// service must see the same tasks. So all who may assume a role share their tasks, also people with
// the same permission set of IAM Identity Center.
//
// Federated users ("<account>:<name>", of GetFederationToken) are refused. The requester of such
// credentials chooses the name, and could take anybody's. Without the name, what is left is the id
// of the account's root user.
//
// A caller must be allowed to invoke the function only through its URL (condition
// lambda:InvokedViaFunctionUrl): an event that is sent to the function directly can claim any
// sender.
//
// https://docs.aws.amazon.com/lambda/latest/dg/urls-auth.html and
// https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_identifiers.html
func IAM(user func(*http.Request) string) Scheme { return iam{user} }

type iam struct{ user func(*http.Request) string }

// Authenticate expects that Lambda and API Gateway have refused bad signatures, with status 403. An
// unsigned request gets here only if the function's URL is public, in contradiction to AUTH=iam.
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
