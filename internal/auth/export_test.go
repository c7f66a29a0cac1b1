package auth

import "time"

// SetClock makes now the time of an OIDC scheme.
func SetClock(s Scheme, now func() time.Time) {
	s.(*tokens).config.Now = now
	s.(*tokens).keys.now = now
}

// SetTimeout gives the issuer of an OIDC scheme d for an answer.
func SetTimeout(s Scheme, d time.Duration) { s.(*tokens).keys.client.Timeout = d }
