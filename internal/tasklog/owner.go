package tasklog

import "strings"

// Owner returns the owner of what the subject of a token does: the issuer and the subject, for no
// other issuer vouches for a subject of the same name. The issuer is a URL, and has no spaces.
func Owner(issuer, subject string) string { return issuer + " " + subject }

// Subject returns the part of an owner that its issuer has given it for a name, and the issuer. Of
// an owner who has none, as an IAM principal, the name is all there is.
func Subject(owner string) (name, issuer string) {
	if issuer, name, ok := strings.Cut(owner, " "); ok {
		return name, issuer
	}
	return owner, ""
}
