package outgoing_test

import (
	"context"
	"errors"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"a2alambda/internal/outgoing"
)

func guard(t *testing.T, allow string) outgoing.Guard {
	t.Helper()
	g, err := outgoing.ParseAllow(allow)
	if err != nil {
		t.Fatal(err)
	}
	return g
}

func TestCheckURL(t *testing.T) {
	const private = "10.0.0.0/8, 127.0.0.2/32,fd00:1::/32"
	for _, test := range []struct{ allow, url, want string }{
		{"", "https://example.com/hook?x=1", ""},
		{"", "https://example.com:8443", ""},
		{"", "https://8.8.8.8/", ""},
		{"", "https://[2606:4700::1111]/", ""},
		{"", "https://[64:ff9b::808:808]/", ""},
		{"", "https://xn--bcher-kva.example/", ""},
		{"", "https://bücher.example/", "url's host has characters beyond ASCII: write it as DNS has it (xn--…)"},
		{"", "https://ｅxample.com/", "url's host has characters beyond ASCII: write it as DNS has it (xn--…)"},
		{"", "http://example.com/", "url must be https"},
		{"", "http://8.8.8.8/", "url must be https"},
		{"", "http://[::ffff:8.8.8.8]/", "url must be https"},
		{"", "ftp://example.com/", "url must be https"},
		{"", "example.com/hook", "url must be https"},
		{"", "//example.com/hook", "url must be https"},
		{"", "", "url must be https"},
		{"", "https:///hook", "url has no host"},
		{"", "https:example.com", "url has no host"},
		{"", "https://user:secret@example.com/", "url must not contain a user: use authentication"},
		{"", "https://exa mple.com/", "url is malformed"},
		{"", "https://example.com/" + strings.Repeat("x", 2048), "url is malformed"},
		{"", "https://localhost/", "url must be that of a public address"},
		{"", "https://LOCALHOST./", "url must be that of a public address"},
		{"", "https://a.localhost:1/", "url must be that of a public address"},
		{"", "https://127.1/", "url has a malformed address"},
		{"", "https://0x7f000001/", "url has a malformed address"},
		{"", "https://2130706433/", "url has a malformed address"},
		{"", "https://0177.0.0.1/", "url has a malformed address"},
		{private, "http://10.1.2.3/", ""},
		{private, "https://10.1.2.3/", ""},
		{private, "http://127.0.0.2:99/", ""},
		{private, "http://[::ffff:127.0.0.2]/", ""},
		{private, "http://[fd00:1::2]/", ""},
		{private, "http://intern.example/", ""}, // its address is looked at when something is sent
		{private, "http://127.0.0.1/", "url must be that of a public address"},
		{private, "http://localhost/", "url must be that of a public address"},
		{private, "http://8.8.8.8/", "url must be https"},
		{"127.0.0.0/8,::1/128", "http://localhost:1234/", ""},
		{"127.0.0.0/8,::1/128", "http://[::1]/", ""},
	} {
		got := ""
		if err := guard(t, test.allow).CheckURL(test.url); err != nil {
			got = err.Error()
		}
		if got != test.want {
			t.Errorf("%.100q, allowing %q: got %q, want %q", test.url, test.allow, got, test.want)
		}
	}
	for _, ip := range []string{
		"0.0.0.0", "0.1.2.3", "10.0.0.1", "100.64.0.1", "100.127.255.255", "127.0.0.1", "127.255.255.254", "169.254.169.254", "172.16.0.1",
		"172.31.255.255", "192.0.0.8", "192.0.2.1", "192.88.99.1", "192.168.0.1", "198.18.0.1", "198.19.255.255", "198.51.100.7",
		"203.0.113.9", "224.0.0.1", "239.255.255.255", "240.0.0.1", "255.255.255.255", "192.31.196.1", "192.52.193.1", "192.175.48.1",
		"[::]", "[::1]", "[::7f00:1]", "[::ffff:127.0.0.1]", "[::ffff:a9fe:a9fe]", "[64:ff9b::7f00:1]", "[64:ff9b::a9fe:a9fe]", "[64:ff9b:1::1]",
		"[100::1]", "[2001::1]", "[2001:db8::1]", "[2002:7f00:1::]", "[3fff::1]", "[5f00::1]", "[fc00::1]", "[fd00:ec2::254]",
		"[2620:4f:8000::1]", "[::ffff:0:7f00:1]", "[2002:808:808::1]", "[2001:0:808:808::f7f7:f7f7]", "[64:ff9b::808:808%25eth0]", "[2606:4700::1111%25eth0]",
		"[fe80::1]", "[fe80::1%25eth0]", "[fec0::1]", "[ff02::1]",
	} {
		if err := guard(t, "").CheckURL("https://" + ip + "/"); err == nil || err.Error() != "url must be that of a public address" {
			t.Errorf("%s: got %v", ip, err)
		}
	}
}

func TestParseAllow(t *testing.T) {
	for _, bad := range []string{"10.0.0.1", "10.0.0.0/33", "x"} {
		if _, err := outgoing.ParseAllow(bad); err == nil || !strings.Contains(err.Error(), bad) {
			t.Errorf("%q: got %v", bad, err)
		}
	}
}

// TestClient asks servers on this machine.
func TestClient(t *testing.T) {
	var asked []string
	handler := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked = append(asked, r.Host)
		http.Redirect(w, r, "/elsewhere", http.StatusTemporaryRedirect)
	})
	s := httptest.NewServer(handler)
	defer s.Close()
	secure := httptest.NewTLSServer(handler)
	defer secure.Close()
	_, port, err := net.SplitHostPort(s.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	t.Setenv("HTTP_PROXY", s.URL)
	for _, test := range []struct {
		allow, url string
		want       error // nil: the server gets the request
	}{
		{"127.0.0.1/32", s.URL, nil},
		{"127.0.0.0/8,::1/128", "http://localhost:" + port, nil},
		{"", s.URL, outgoing.ErrBlocked},
		{"", "http://[::ffff:127.0.0.1]:" + port, outgoing.ErrBlocked},
		{"", "http://localhost:" + port, outgoing.ErrBlocked}, // as any name that resolves to such an address
		{"127.0.0.2/32", s.URL, outgoing.ErrBlocked},
		{"", secure.URL, outgoing.ErrBlocked},
		{"", "http://0.0.0.0:" + port, outgoing.ErrBlocked},
	} {
		asked = nil
		client := guard(t, test.allow).Client()
		resp, err := client.Post(test.url, "text/plain", strings.NewReader("x"))
		client.CloseIdleConnections()
		if !errors.Is(err, test.want) || (err != nil) == (test.want == nil) {
			t.Errorf("%s, allowing %q: got %v, want %v", test.url, test.allow, err, test.want)
		}
		if err == nil {
			resp.Body.Close()
			if resp.StatusCode != http.StatusTemporaryRedirect || len(asked) != 1 {
				t.Errorf("%s: status %d, asked %q", test.url, resp.StatusCode, asked)
			}
		} else if len(asked) != 0 {
			t.Errorf("%s was asked", test.url)
		}
	}
	// The certificate is checked.
	client := guard(t, "127.0.0.1/32").Client()
	_, err = client.Get(secure.URL)
	if err == nil || !strings.Contains(err.Error(), "certificate") {
		t.Errorf("an unknown certificate: got %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	req, _ := http.NewRequestWithContext(ctx, http.MethodGet, s.URL, nil)
	if _, err := client.Do(req); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: got %v", err)
	}
}
