package emulator_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"

	"a2alambda/localtest/emulator"
)

var callers = map[string]emulator.Caller{
	"AKIDALICE": {Secret: "alice's secret", UserID: "AIDAALICE", UserARN: "arn:aws:iam::111122223333:user/alice", Account: "111122223333"},
	"ASIAROLE":  {Secret: "the role's secret", UserID: "AROAROLE:session", UserARN: "arn:aws:sts::111122223333:assumed-role/role/session", Account: "111122223333"},
}

func signer(key string) *http.Client {
	return &http.Client{Transport: emulator.Signer{AccessKey: key, Secret: callers[key].Secret}}
}

func TestSigned(t *testing.T) {
	f := start(t, emulator.Config{Callers: callers})
	for key, c := range callers {
		response, body := do(t, signer(key), newRequest(t, "GET", f.url+"/user", ""))
		if response.StatusCode != 200 || body != c.UserID {
			t.Errorf("%s: status %d, %s", key, response.StatusCode, body)
		}
		if got := response.Header["Access-Control-Allow-Origin"]; got != nil {
			t.Errorf("CORS headers of the function: %q", got)
		}
	}

	r := newRequest(t, "POST", f.url+"/echo?b=2&a=%2F&a=1+1&c", `{"hello":"wörld"}`)
	r.Header.Set("Content-Type", "application/json")
	r.Header.Add("X-Header", "  one  two ")
	r.Header.Add("X-Header", "three")
	if response, body := do(t, signer("AKIDALICE"), r); response.StatusCode != 418 || !strings.HasPrefix(body, "POST /echo?a=%2F&a=1%201&b=2&c=\n") {
		t.Errorf("an unusual request: status %d, %s", response.StatusCode, body)
	}
	if response, _ := do(t, signer("AKIDALICE"), newRequest(t, "DELETE", f.url+"/no%2Fsuch/p%C3%A4th:x/", "")); response.StatusCode != 404 {
		t.Errorf("an unusual path: status %d", response.StatusCode)
	}

	_, body := do(t, signer("AKIDALICE"), newRequest(t, "GET", f.url+"/runtime/context", ""))
	var got struct {
		AccountID  string
		Authorizer struct{ IAM map[string]string }
	}
	must(t, json.Unmarshal([]byte(body), &got))
	who, _ := json.Marshal(got.Authorizer.IAM)
	want := `{"accessKey":"AKIDALICE","accountId":"111122223333","callerId":"AIDAALICE","userArn":"arn:aws:iam::111122223333:user/alice","userId":"AIDAALICE"}`
	if string(who) != want || got.AccountID != "000000000000" {
		t.Errorf("the event is of account %s, by %s", got.AccountID, who)
	}
}

// A request with a wrong signature does not reach the function.
func TestForbidden(t *testing.T) {
	f := start(t, emulator.Config{Callers: callers})
	// signed returns a POST that alice signed this long ago.
	signed := func(service, region string, ago time.Duration) *http.Request {
		r := newRequest(t, "POST", f.url+"/user?q=1", "body")
		r.Header.Set("X-Signed", "1")
		hash := sha256.Sum256([]byte("body"))
		err := v4.NewSigner().SignHTTP(t.Context(), aws.Credentials{AccessKeyID: "AKIDALICE", SecretAccessKey: callers["AKIDALICE"].Secret}, r,
			hex.EncodeToString(hash[:]), service, region, time.Now().Add(-ago))
		must(t, err)
		return r
	}
	good := func() *http.Request { return signed("lambda", "us-east-1", 0) }
	for _, ok := range []*http.Request{good(), signed("lambda", "us-east-1", 4*time.Minute), signed("lambda", "us-east-1", -4*time.Minute)} {
		if response, body := do(t, http.DefaultClient, ok); response.StatusCode != 200 || body != "AIDAALICE" {
			t.Fatalf("a good request: status %d, %s", response.StatusCode, body)
		}
	}
	edited := func(edit func(*http.Request)) *http.Request {
		r := good()
		edit(r)
		return r
	}
	header := func(name string, change func(string) string) *http.Request {
		return edited(func(r *http.Request) { r.Header.Set(name, change(r.Header.Get(name))) })
	}
	for name, r := range map[string]*http.Request{
		"unsigned":        newRequest(t, "POST", f.url+"/user", "body"),
		"bearer":          header("Authorization", func(string) string { return "Bearer x" }),
		"too old":         signed("lambda", "us-east-1", 6*time.Minute),
		"of the future":   signed("lambda", "us-east-1", -6*time.Minute),
		"another service": signed("execute-api", "us-east-1", 0),
		"another region":  signed("lambda", "eu-central-1", 0),
		"another caller":  header("Authorization", func(s string) string { return strings.Replace(s, "AKIDALICE", "ASIAROLE", 1) }),
		"unknown caller":  header("Authorization", func(s string) string { return strings.Replace(s, "AKIDALICE", "AKIDNOBODY", 1) }),
		"another signature": header("Authorization", func(s string) string {
			return s[:strings.Index(s, "Signature=")] + "Signature=" + strings.Repeat("0", 64)
		}),
		"fewer headers": header("Authorization", func(s string) string { return strings.Replace(s, ";x-signed", "", 1) }),
		"another date": header("X-Amz-Date", func(s string) string {
			return time.Now().Add(time.Minute).UTC().Format("20060102T150405Z")
		}),
		"no date":        edited(func(r *http.Request) { r.Header.Del("X-Amz-Date") }),
		"another header": header("X-Signed", func(string) string { return "2" }),
		"another path":   edited(func(r *http.Request) { r.URL.Path = "/pid" }),
		"another query":  edited(func(r *http.Request) { r.URL.RawQuery = "q=2" }),
		"another method": edited(func(r *http.Request) { r.Method = "PUT" }),
		"another body":   edited(func(r *http.Request) { r.Body = io.NopCloser(bytes.NewReader([]byte("Body"))) }),
		"two signatures": edited(func(r *http.Request) { r.Header.Add("Authorization", r.Header.Get("Authorization")) }),
	} {
		response, body := do(t, http.DefaultClient, r)
		if response.StatusCode != 403 || response.Header.Get("x-amzn-ErrorType") != "AccessDeniedException" || !strings.HasPrefix(body, `{"Message":"Forbidden`) {
			t.Errorf("%s: status %d, headers %q, body %s", name, response.StatusCode, response.Header, body)
		}
	}
}

// Without callers a URL is public, and ignores signatures.
func TestPublic(t *testing.T) {
	f := start(t, emulator.Config{})
	if response, body := do(t, signer("AKIDALICE"), newRequest(t, "GET", f.url+"/user", "")); response.StatusCode != 200 || body != "" {
		t.Errorf("status %d, user %q", response.StatusCode, body)
	}
}
