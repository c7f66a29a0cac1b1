package agentfile

import (
	"net/netip"
	"net/url"
	"strings"
)

// Private reports whether what is sent to a URL is nobody else's to read: it is https, or its host is
// this machine, has an address in a private network, or a name without a dot, which is in no public
// DNS. What is no http URL is private, too.
func Private(raw string) bool {
	u, err := url.Parse(raw)
	if err != nil || u.Scheme != "http" {
		return true
	}
	host := u.Hostname()
	ip, err := netip.ParseAddr(host)
	if err != nil {
		number := strings.Trim(host[:min(len(host), 1)], "0123456789") == "" // some resolvers take it for an address
		return !number && !strings.Contains(host, ".") || strings.HasSuffix(host, ".localhost")
	}
	return ip.IsLoopback() || ip.IsPrivate() || ip.IsLinkLocalUnicast()
}
