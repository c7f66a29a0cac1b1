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

	"a2alambda/localtest/client"
)

// get asks the agent for a path as for another host, or, if site is set, as a browser does for a page of that kind.
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
	if err != nil {
		t.Fatal(err)
	}
	if a.Header.Get("X-Content-Type-Options") != "nosniff" {
		t.Errorf("%s: %v", url, a.Header)
	}
	return a.Status, a.Body
}

// TestAddress checks where a local server listens, and to whom: on this machine, to its own programs and pages; at another address,
// to all who reach it by whatever name, but that it reaches nobody's webhooks on this machine for them.
func TestAddress(t *testing.T) {
	t.Parallel()
	const card, configured = "/.well-known/agent-card.json", `{"message":{"messageId":"m","role":"ROLE_USER","parts":[{"data":1}]},` +
		`"configuration":{"taskPushNotificationConfig":{"url":"http://127.0.0.1:9/"}}}`
	for _, test := range []struct {
		env         []string
		other       int // the status for another host
		webhook     bool
		unreachable bool // at the machine's own address
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

// ownAddress returns an address of this machine that is not loopback, or "" if it has none.
func ownAddress() string {
	addresses, _ := net.InterfaceAddrs()
	for _, a := range addresses {
		if n, ok := a.(*net.IPNet); ok && n.IP.To4() != nil && !n.IP.IsLoopback() {
			return n.IP.String()
		}
	}
	return ""
}

// TestSlowRequest has clients begin requests and never end them, in the headers and in the body. The server waits for neither for
// ever.
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
			if err != nil {
				t.Fatal(err)
			}
			defer conn.Close()
			if _, err := io.WriteString(conn, half); err != nil {
				t.Fatal(err)
			}
			if err := conn.SetReadDeadline(time.Now().Add(3 * time.Minute)); err != nil { // a failure takes so long
				t.Fatal(err)
			}
			text, err := io.ReadAll(bufio.NewReader(conn))
			if err != nil || what == "body" && !strings.HasPrefix(string(text), "HTTP/1.1 408 ") {
				t.Errorf("after %v the connection ended with %q, %v", time.Since(begun), text, err)
			}
		})
	}
}
