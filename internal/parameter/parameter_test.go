package parameter_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"

	"a2alambda/internal/parameter"
	"a2alambda/localtest"
	"a2alambda/localtest/ministack"
)

func config() aws.Config {
	return aws.Config{
		Region: ministack.Region, HTTPClient: http.DefaultClient,
		Credentials: credentials.NewStaticCredentialsProvider(ministack.Key, ministack.Key, ""),
	}
}

// TestRead reads parameters of an emulated account.
func TestRead(t *testing.T) {
	t.Parallel()
	a := ministack.Shared(t)
	cfg := config()
	cfg.BaseEndpoint = &a.Endpoint
	first := "card: {name: Clerk}\n" + strings.Repeat("# ä\n", 900)
	localtest.Must(t, a.PutParameter(t.Context(), "/clerk/file", first))
	localtest.Must(t, a.PutParameter(t.Context(), "/clerk/file", "second"))
	for name, want := range map[string]string{"/clerk/file": "second", "/clerk/file:1": first, "/clerk/file:2": "second"} {
		if got, err := parameter.Read(t.Context(), cfg, name); err != nil || got != want {
			t.Errorf("%s: %.40q, %v", name, got, err)
		}
	}
	for name, want := range map[string]string{
		"/clerk/none":   "there is no such parameter in Parameter Store in region us-east-1",
		"/clerk/file:9": "the parameter in Parameter Store has no such version",
	} {
		if _, err := parameter.Read(t.Context(), cfg, name); err == nil || err.Error() != want {
			t.Errorf("%s: %v, want %s", name, err, want)
		}
	}
}

// TestRefused has a store that is in trouble, for a while or for good.
func TestRefused(t *testing.T) {
	answer := func(status int, body string) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(status)
			_, _ = w.Write([]byte(body))
		}
	}
	good := answer(200, `{"Parameter":{"Value":"v"}}`)
	for _, test := range []struct {
		name    string
		answers []http.HandlerFunc // the last one again and again
		want    string             // "" for v
		asked   int
	}{
		{"throttled", []http.HandlerFunc{answer(400, `{"__type":"ThrottlingException","message":"Rate exceeded"}`), good}, "", 2},
		{"in trouble", []http.HandlerFunc{answer(500, "oops"), answer(503, ""), good}, "", 3},
		{"down", []http.HandlerFunc{answer(503, "")}, "no answer from Parameter Store: status 503 ", 4},
		{
			"forbidden",
			[]http.HandlerFunc{answer(400, `{"__type":"com.amazonaws.ssm#AccessDeniedException","Message":"User is not authorized"}`)},
			"refused by Parameter Store: status 400 AccessDeniedException User is not authorized", 1,
		},
		{"odd", []http.HandlerFunc{answer(200, "<html>")}, "the answer of Parameter Store has no value", 1},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var asked atomic.Int64
				cfg := config()
				cfg.HTTPClient = doer(func(r *http.Request) *http.Response {
					n := int(asked.Add(1))
					w := httptest.NewRecorder()
					test.answers[min(n, len(test.answers))-1](w, r)
					return w.Result()
				})
				got, err := parameter.Read(t.Context(), cfg, "/clerk")
				if test.want == "" && (err != nil || got != "v") || test.want != "" && (err == nil || err.Error() != test.want) {
					t.Errorf("got %q, %v", got, err)
				}
				if n := int(asked.Load()); n != test.asked {
					t.Errorf("it was asked %d times, want %d", n, test.asked)
				}
			})
		})
	}
}

type doer func(*http.Request) *http.Response

func (d doer) Do(r *http.Request) (*http.Response, error) { return d(r), nil }
