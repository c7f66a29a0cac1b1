package webhook_test

import (
	"strings"
	"testing"

	"github.com/a2aproject/a2a-go/v2/a2a"

	"a2alambda/internal/outgoing"
	"a2alambda/internal/webhook"
)

func TestCheck(t *testing.T) {
	const url = "https://example.com"
	for _, test := range []struct {
		config a2a.PushConfig
		want   string
	}{
		{a2a.PushConfig{URL: url, Token: "tökén \t~", Auth: &a2a.PushAuthInfo{Scheme: "Bearer", Credentials: "a b"}}, ""},
		{a2a.PushConfig{URL: url, Token: "a\r\nHost: b"}, "token has characters that no header may have, or too many"},
		{a2a.PushConfig{URL: url, Token: strings.Repeat("x", 2048), Auth: &a2a.PushAuthInfo{Scheme: "Bearer", Credentials: strings.Repeat("x", 4096)}}, ""},
		{a2a.PushConfig{URL: url, Token: strings.Repeat("x", 2049)}, "token has characters that no header may have, or too many"},
		{a2a.PushConfig{URL: url, Auth: &a2a.PushAuthInfo{Scheme: "Bearer", Credentials: strings.Repeat("x", 4097)}}, "authentication has characters that no header may have, or too many"},
		{a2a.PushConfig{URL: url, Auth: &a2a.PushAuthInfo{Scheme: strings.Repeat("x", 65), Credentials: "a"}}, "authentication has characters that no header may have, or too many"},
		{a2a.PushConfig{URL: url, Auth: &a2a.PushAuthInfo{Scheme: "a b"}}, "authentication has characters that no header may have, or too many"},
		{a2a.PushConfig{URL: url, Auth: &a2a.PushAuthInfo{Credentials: "\x00"}}, "authentication has characters that no header may have, or too many"},
		{a2a.PushConfig{URL: "http://a"}, "url must be https"},
	} {
		got := ""
		if err := webhook.Check(outgoing.Guard{})(&test.config); err != nil {
			got = err.Error()
		}
		if got != test.want {
			t.Errorf("%+v: got %q, want %q", test.config, got, test.want)
		}
	}
}
