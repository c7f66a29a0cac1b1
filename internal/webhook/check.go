package webhook

import (
	"errors"
	"strings"

	"github.com/a2aproject/a2a-go/v2/a2a"

	"a2alambda/internal/outgoing"
)

const (
	maxHeader = 4096 // bytes, of credentials
	maxToken  = 2048 // bytes: it goes out twice in each request
	maxScheme = 64   // bytes
)

// Check returns a function that returns an error, in words for the client, if nothing can be sent
// with a configuration.
func Check(g outgoing.Guard) func(*a2a.PushConfig) error {
	return func(c *a2a.PushConfig) error {
		if err := g.CheckURL(c.URL); err != nil {
			return err
		}
		if !isHeader(c.Token, maxToken) {
			return errors.New("token has characters that no header may have, or too many")
		}
		if c.Auth == nil {
			return nil
		}
		if !isHeader(c.Auth.Scheme, maxScheme) || !isHeader(c.Auth.Credentials, maxHeader) || strings.ContainsAny(c.Auth.Scheme, " \t,") {
			return errors.New("authentication has characters that no header may have, or too many")
		}
		return nil
	}
}

// isHeader reports whether s, of so many bytes at most, can be sent in a header.
func isHeader(s string, most int) bool {
	return len(s) <= most && !strings.ContainsFunc(s, func(r rune) bool { return r < ' ' && r != '\t' || r == 0x7f })
}
