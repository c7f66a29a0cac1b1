package push

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/a2aproject/a2a-go/v2/a2a"
)

// ErrBlocked means that a webhook is at an address where no notification may go.
var ErrBlocked = errors.New("the webhook is at an address that is not public")

// Guard says where webhooks may be: at public addresses, by https, and nowhere else (specification 13.2, server-side request
// forgery). The zero value does.
type Guard struct {
	// Allow are addresses besides the public ones, such as those of a private network. They may also be asked by http.
	Allow []netip.Prefix
}

// ParseAllow returns the guard that allows the prefixes ("10.0.0.0/8,fd00::/8"); none for "".
func ParseAllow(list string) (Guard, error) {
	var g Guard
	for s := range strings.SplitSeq(list, ",") {
		if s = strings.TrimSpace(s); s == "" {
			continue
		}
		p, err := netip.ParsePrefix(s)
		if err != nil {
			return Guard{}, fmt.Errorf("push: %q is no prefix such as 10.0.0.0/8", s)
		}
		g.Allow = append(g.Allow, p)
	}
	return g, nil
}

const (
	maxURL    = 2048 // bytes
	maxHeader = 4096 // bytes, of a token or of credentials
)

// Check returns an error, in words for the client, if nothing can be sent with the configuration. What a host's name resolves to
// is not looked at: that counts when a notification is sent.
func (g Guard) Check(c *a2a.PushConfig) error {
	if err := g.CheckURL(c.URL); err != nil {
		return err
	}
	if !isHeader(c.Token) {
		return errors.New("token has characters that no header may have, or too many")
	}
	if c.Auth == nil {
		return nil
	}
	if !isHeader(c.Auth.Scheme) || !isHeader(c.Auth.Credentials) || strings.ContainsAny(c.Auth.Scheme, " \t,") {
		return errors.New("authentication has characters that no header may have, or too many")
	}
	return nil
}

// isHeader reports whether s can be sent in a header.
func isHeader(s string) bool {
	return len(s) <= maxHeader && !strings.ContainsFunc(s, func(r rune) bool { return r < ' ' && r != '\t' || r == 0x7f })
}

// CheckURL is the part of Check that looks at the URL.
func (g Guard) CheckURL(raw string) error {
	u, err := url.Parse(raw)
	if err != nil || len(raw) > maxURL {
		return errors.New("url is malformed")
	}
	host := strings.ToLower(strings.TrimSuffix(u.Hostname(), "."))
	switch {
	case u.Scheme != "https" && u.Scheme != "http":
		return errors.New("url must be https")
	case host == "":
		return errors.New("url has no host")
	case u.User != nil:
		return errors.New("url must not contain a user: use authentication")
	}
	ip, err := netip.ParseAddr(host)
	if host == "localhost" || strings.HasSuffix(host, ".localhost") {
		ip, err = netip.AddrFrom4([4]byte{127, 0, 0, 1}), nil
	}
	switch {
	case err == nil && !g.permits(u.Scheme, ip):
		if u.Scheme == "http" && isPublic(ip) {
			return errors.New("url must be https")
		}
		return errors.New("url must be that of a public address")
	case err != nil && u.Scheme == "http" && len(g.Allow) == 0:
		return errors.New("url must be https")
	case err != nil && numeric(host):
		return errors.New("url has a malformed address") // 127.1, 0x7f000001: some resolvers know what is meant
	}
	return nil
}

// numeric reports whether a host is meant to be an IPv4 address.
// https://url.spec.whatwg.org/#ends-in-a-number-checker
func numeric(host string) bool {
	last := host[strings.LastIndexByte(host, '.')+1:]
	return strings.Trim(last, "0123456789") == "" || strings.HasPrefix(last, "0x") && strings.Trim(last[2:], "0123456789abcdef") == ""
}

// permits reports whether the address may be asked.
func (g Guard) permits(scheme string, ip netip.Addr) bool {
	ip = ip.Unmap()
	if slices.ContainsFunc(g.Allow, func(p netip.Prefix) bool { return p.Contains(ip) }) {
		return true
	}
	return scheme == "https" && isPublic(ip)
}

// Blocks of the IPv4 special-purpose registry that are not globally reachable, and multicast; and those parts of the IPv6 unicast
// addresses, 2000::/3, that are not, or that stand for IPv4 addresses.
// https://www.iana.org/assignments/iana-ipv4-special-registry, https://www.iana.org/assignments/iana-ipv6-special-registry
var (
	special4 = prefixes(
		"0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12", "192.0.0.0/24", "192.0.2.0/24",
		"192.88.99.0/24", "192.168.0.0/16", "198.18.0.0/15", "198.51.100.0/24", "203.0.113.0/24", "224.0.0.0/4", "240.0.0.0/4",
	)
	global6  = netip.MustParsePrefix("2000::/3")
	special6 = prefixes("2001::/23", "2001:db8::/32", "2002::/16", "3fff::/20")
	nat64    = netip.MustParsePrefix("64:ff9b::/96") // RFC 6052: the last 32 bits are an IPv4 address
)

func prefixes(all ...string) (ps []netip.Prefix) {
	for _, s := range all {
		ps = append(ps, netip.MustParsePrefix(s))
	}
	return ps
}

// isPublic reports whether ip is an address of the public internet.
func isPublic(ip netip.Addr) bool {
	ip = ip.Unmap()
	if nat64.Contains(ip) {
		b := ip.As16()
		ip = netip.AddrFrom4([4]byte(b[12:]))
	}
	special := special4
	if ip.Is6() {
		if !global6.Contains(ip) {
			return false
		}
		special = special6
	}
	return !slices.ContainsFunc(special, func(p netip.Prefix) bool { return p.Contains(ip) })
}

// Client returns a client for notifications. It looks at each address that it is about to connect to, so that no name can
// resolve to another one than was looked at. It follows no redirects and uses no proxy. Requests that the guard
// refuses fail with ErrBlocked.
func (g Guard) Client() *http.Client {
	return &http.Client{
		Transport:     byScheme{g.transport("http"), g.transport("https")},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

// byScheme keeps connections apart: an address that http may ask is allowed, one that https may ask is possibly only public.
type byScheme struct{ http, https *http.Transport }

func (t byScheme) RoundTrip(req *http.Request) (*http.Response, error) {
	if req.URL.Scheme == "https" {
		return t.https.RoundTrip(req)
	}
	return t.http.RoundTrip(req)
}

func (t byScheme) CloseIdleConnections() {
	t.http.CloseIdleConnections()
	t.https.CloseIdleConnections()
}

func (g Guard) transport(scheme string) *http.Transport {
	dialer := &net.Dialer{
		ControlContext: func(_ context.Context, _, address string, _ syscall.RawConn) error {
			addr, err := netip.ParseAddrPort(address)
			if err != nil || !g.permits(scheme, addr.Addr()) {
				return ErrBlocked
			}
			return nil
		},
	}
	return &http.Transport{
		DialContext:       dialer.DialContext,
		ForceAttemptHTTP2: true,
		// An instance that was frozen wakes up with connections that the other side has closed.
		IdleConnTimeout:        45 * time.Second,
		MaxIdleConns:           100,
		MaxResponseHeaderBytes: 64 << 10,
		DisableCompression:     true,
	}
}
