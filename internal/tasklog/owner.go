package tasklog

import "strings"

// Owner returns the owner of the tasks of a token's subject. It consists of issuer and subject,
// because another issuer may have a subject of the same name. The issuer is a URL, and has no
// spaces.
func Owner(issuer, subject string) string { return issuer + " " + subject }

// Subject returns the name that the issuer has given to an owner, and the issuer. An owner without
// an issuer, for example an IAM principal, is all name.
func Subject(owner string) (name, issuer string) {
	if issuer, name, ok := strings.Cut(owner, " "); ok {
		return name, issuer
	}
	return owner, ""
}
