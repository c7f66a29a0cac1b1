package localserver

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"a2alambda/localtest"
	"a2alambda/localtest/client"
)

// get requests a path from the agent under another host's name or, with site, as a browser does for
// a page of that kind.
func get(t *testing.T, url, host, site string) (status int, body string) {
	t.Helper()
	var headers []string
	if host != "" {
		headers = []string{"Host", host}
	}
	if site != "" {
		headers = append(headers, "Sec-Fetch-Site", site)
	}
	a, err := client.Do(t.Context(), http.MethodGet, url, "", headers...)
	localtest.Must(t, err)
	if a.Header.Get("X-Content-Type-Options") != "nosniff" {
		t.Errorf("%s: %v", url, a.Header)
	}
	return a.Status, a.Body
}

// TestAddress checks where a local server listens, and for whom. By default only this machine's
// programs and pages reach it. At another address all can reach it, by any name, but it sends them
// no webhooks to this machine.
func TestAddress(t *testing.T) {
	t.Parallel()
	const card, configured = "/.well-known/agent-card.json", `{"message":{"messageId":"m","role":"ROLE_USER","parts":[{"data":1}]},` +
		`"configuration":{"taskPushNotificationConfig":{"url":"http://127.0.0.1:9/"}}}`
	for _, test := range []struct {
		env         []string
		other       int // the status under another host's name
		webhook     bool
		unreachable bool // no connection at the machine's own address
	}{
		{nil, http.StatusForbidden, true, true},
		{[]string{"ADDRESS=127.0.0.1"}, http.StatusForbidden, true, true},
		{[]string{"ADDRESS=0.0.0.0"}, http.StatusOK, false, false},
	} {
		t.Run(fmt.Sprint(test.env), func(t *testing.T) {
			t.Parallel()
			url := Start(t, append(test.env, "TABLE_NAME=")...)
			if status, body := get(t, url+card, "agent.internal", ""); status != test.other || (status == http.StatusOK) != strings.Contains(body, "agent.internal") {
				t.Errorf("to another host: %d %s", status, body)
			}
			if status, body := get(t, url+"/healthz", "agent.internal", ""); status != http.StatusOK || body != "ok\n" {
				t.Errorf("health: %d %s", status, body)
			}
			for path, want := range map[string]int{card: http.StatusOK, "/tasks": test.other} {
				if status, body := get(t, url+path, "", "cross-site"); status != want {
					t.Errorf("%s for a page from elsewhere: %d %s", path, status, body)
				}
			}
			if body := client.Result(t, url+"/", "SendMessage", configured); strings.Contains(body, `"error"`) == test.webhook {
				t.Errorf("a webhook of this machine: %s", body)
			}
			if own := ownAddress(); own != "" {
				_, port, _ := strings.Cut(strings.TrimPrefix(url, "http://"), ":")
				_, err := client.Do(t.Context(), http.MethodGet, "http://"+net.JoinHostPort(own, port)+"/healthz", "")
				if (err != nil) != test.unreachable {
					t.Errorf("at %s: %v", own, err)
				}
			}
		})
	}
}

// ownAddress returns an address of this machine that is not loopback, or "".
func ownAddress() string {
	addresses, _ := net.InterfaceAddrs()
	for _, a := range addresses {
		if n, ok := a.(*net.IPNet); ok && n.IP.To4() != nil && !n.IP.IsLoopback() {
			return n.IP.String()
		}
	}
	return ""
}

// TestSlowRequest never ends its requests, in headers and body. The server must not wait for ever.
func TestSlowRequest(t *testing.T) {
	t.Parallel()
	url := Start(t, "TABLE_NAME=")
	begun := time.Now()
	for what, half := range map[string]string{
		"header": "POST / HTTP/1.1\r\nHost: localhost\r\nX-Header: ",
		"body":   "POST / HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 1000\r\n\r\n{",
	} {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			conn, err := net.Dial("tcp", strings.TrimPrefix(url, "http://"))
			localtest.Must(t, err)
			defer conn.Close()
			if _, err := io.WriteString(conn, half); err != nil {
				t.Fatal(err)
			}
			// This time passes only in a failure.
			localtest.Must(t, conn.SetReadDeadline(time.Now().Add(3*time.Minute)))
			text, err := io.ReadAll(bufio.NewReader(conn))
			if err != nil || what == "body" && !strings.HasPrefix(string(text), "HTTP/1.1 408 ") {
				t.Errorf("after %v the connection ended with %q, %v", time.Since(begun), text, err)
			}
		})
	}
}
