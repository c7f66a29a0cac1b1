// Package outgoing guards the requests to others: webhooks, whose URLs clients choose, and agents.
package outgoing

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

	"code.dny.dev/ssrf"
)

// ErrBlocked means that the guard permits no request to the address.
var ErrBlocked = errors.New("the address is not public")

// Guard says where requests may go. Its zero value permits public addresses by https, and nothing
// else (specification 13.2, server-side request forgery).
type Guard struct {
	// Allow are further addresses, such as a private network. Requests to them may use http, too.
	Allow []netip.Prefix
}

// ParseAllow returns the guard that allows the prefixes ("10.0.0.0/8,fd00::/8"), or none for "".
func ParseAllow(list string) (Guard, error) {
	var g Guard
	for s := range strings.SplitSeq(list, ",") {
		if s = strings.TrimSpace(s); s == "" {
			continue
		}
		p, err := netip.ParsePrefix(s)
		if err != nil {
			return Guard{}, fmt.Errorf("%q is no prefix such as 10.0.0.0/8", s)
		}
		g.Allow = append(g.Allow, p)
	}
	return g, nil
}

// With returns a guard that also allows the host of a URL which the deployer has chosen, if that is
// an address or localhost.
func (g Guard) With(u *url.URL) Guard {
	host := strings.ToLower(strings.TrimSuffix(u.Hostname(), "."))
	if ip, err := netip.ParseAddr(host); err == nil {
		ip = ip.Unmap()
		g.Allow = append(slices.Clip(g.Allow), netip.PrefixFrom(ip, ip.BitLen()))
	} else if host == "localhost" {
		g.Allow = append(slices.Clip(g.Allow), netip.MustParsePrefix("127.0.0.1/32"), netip.MustParsePrefix("::1/128"))
	}
	return g
}

// maxURL is the most bytes of a URL.
const maxURL = 2048

// CheckURL returns an error, in words for whoever chose the URL, if nothing can be sent there. It
// does not resolve the host's name: the address counts when a request is sent.
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
	case strings.ContainsFunc(host, func(r rune) bool { return r > '~' }):
		return errors.New("url's host has characters beyond ASCII: write it as DNS has it (xn--…)") // one spelling is one host
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

// permits reports whether a request with the scheme may go to the address.
func (g Guard) permits(scheme string, ip netip.Addr) bool {
	ip = ip.Unmap()
	if slices.ContainsFunc(g.Allow, func(p netip.Prefix) bool { return p.Contains(ip) }) {
		return true
	}
	return scheme == "https" && isPublic(ip)
}

// special refuses the addresses that IANA's registries call not globally reachable, multicast, and
// the parts of IPv6 that stand for IPv4 addresses.
var special = ssrf.New()

// isPublic reports whether ip is an address of the public internet.
func isPublic(ip netip.Addr) bool {
	// An IPv4 address in the form of an IPv6 address counts as that IPv4 address. The library
	// refuses all of them, even 64:ff9b::808:808, by which a network with NAT64 reaches 8.8.8.8
	// (RFC 6052).
	ip = ip.Unmap()
	if ssrf.IPv6NAT64Prefix.Contains(ip) {
		b := ip.As16()
		ip = netip.AddrFrom4([4]byte(b[12:]))
	}
	return special.SafeAddr(ip) == nil
}

// Client returns a client that checks each address when it connects, so a name cannot
// resolve to an address that was not checked. It follows no redirects and uses no proxy. A
// request that the guard refuses fails with ErrBlocked.
func (g Guard) Client() *http.Client {
	return &http.Client{
		Transport:     byScheme{g.transport("http"), g.transport("https")},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

// byScheme keeps connections apart: https may reach addresses that http may not.
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
		// An instance that was frozen has connections that the other side has closed.
		IdleConnTimeout:        45 * time.Second,
		MaxIdleConns:           100,
		MaxIdleConnsPerHost:    16, // as many as there are deliveries at a host
		MaxResponseHeaderBytes: 64 << 10,
		DisableCompression:     true,
	}
}
