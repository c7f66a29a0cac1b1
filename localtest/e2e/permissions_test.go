package e2e

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"

	"a2alambda/internal/bucket"
	"a2alambda/localtest"
	"a2alambda/localtest/deploy"
	"a2alambda/localtest/ministack"
)

// These tests compare the functions' calls with deploy.Needs, which deploy.TestPermissions compares
// with their policies. A call that is not in deploy.Needs is refused. In the end, each call in
// deploy.Needs must have been made.

// called has the calls that were made: "AgentFunction dynamodb:GetItem table".
var called sync.Map

func needed(n deploy.Need) string { return n.Function + " " + n.Action + " " + n.On }

// permitted returns an endpoint that passes a function's requests on to the DynamoDB at endpoint. A
// request that deploy.Needs does not have fails the test.
func permitted(t testing.TB, endpoint, function string) (guarded string) {
	t.Helper()
	return guard(t, function, func() string { return endpoint }, plain(), func(r *http.Request, body []byte) (actions []string, on string) {
		var request struct {
			IndexName     string
			TransactItems []map[string]any // each with its write: Put, Update or Delete
		}
		if err := json.Unmarshal(body, &request); err != nil {
			t.Error(err)
		}
		_, operation, _ := strings.Cut(r.Header.Get("X-Amz-Target"), ".")
		on = "table"
		if request.IndexName != "" {
			on += "/index/" + request.IndexName
		}
		switch operation {
		case "TransactWriteItems":
		case "BatchExecuteStatement":
			return []string{"dynamodb:PartiQLInsert"}, on
		default:
			return []string{"dynamodb:" + operation}, on
		}
		for _, item := range request.TransactItems { // a transaction needs what its writes need
			for write := range item {
				actions = append(actions, "dynamodb:"+write+"Item")
			}
		}
		return actions, on
	})
}

var invocation2015 = regexp.MustCompile(`^/2015-03-31/functions/([^/]+)/invocations$`)

// permittedLambda is permitted for Lambda. It asks for the endpoint at the first request.
func permittedLambda(t testing.TB, endpoint func() string, function string) (guarded string) {
	t.Helper()
	return guard(t, function, endpoint, plain(), func(r *http.Request, _ []byte) (actions []string, on string) {
		if m := invocation2015.FindStringSubmatch(r.URL.Path); m != nil && r.Method == http.MethodPost {
			return []string{"lambda:InvokeFunction"}, m[1]
		}
		return []string{"lambda:" + r.Method}, r.URL.Path
	})
}

// permittedS3 is permitted for S3. It signs requests anew: the functions' keys are the emulator's.
func permittedS3(t testing.TB, bodies bucket.Config, function string) (guarded string) {
	t.Helper()
	as, err := bodies.Credentials.Retrieve(t.Context())
	localtest.Must(t, err)
	again := signedAgain{plain(), as}
	return guard(t, function, func() string { return bodies.Endpoint }, again, func(r *http.Request, _ []byte) (actions []string, on string) {
		if on = r.URL.Path; strings.HasPrefix(on, "/"+bodies.Name+"/") {
			on = "bodies"
		}
		return []string{"s3:" + r.Method[:1] + strings.ToLower(r.Method[1:]) + "Object"}, on
	})
}

// signedAgain signs requests to S3, of which it keeps the hash of the body.
type signedAgain struct {
	next http.RoundTripper
	as   aws.Credentials
}

func (s signedAgain) RoundTrip(r *http.Request) (*http.Response, error) {
	r = r.Clone(r.Context())
	r.Header.Del("X-Amz-Security-Token")
	signer := v4.NewSigner(func(o *v4.SignerOptions) { o.DisableURIPathEscaping = true })
	if err := signer.SignHTTP(r.Context(), s.as, r, r.Header.Get("X-Amz-Content-Sha256"), "s3", ministack.Region, time.Now()); err != nil {
		return nil, err
	}
	return s.next.RoundTrip(r)
}

func plain() http.RoundTripper {
	return &http.Transport{DisableCompression: true, MaxIdleConnsPerHost: 100}
}

// guard returns a service for a function's needs only. describe returns a request's actions and its
// resource.
func guard(
	t testing.TB, function string, endpoint func() string, transport http.RoundTripper, describe func(*http.Request, []byte) (actions []string, on string),
) (guarded string) {
	t.Helper()
	needs := map[string]bool{}
	for _, n := range deploy.Needs {
		needs[needed(n)] = true
	}
	proxy := &httputil.ReverseProxy{
		Rewrite: func(r *httputil.ProxyRequest) {
			target, err := url.Parse(endpoint())
			if err != nil {
				t.Error(err)
				return
			}
			r.SetURL(target)
		},
		Transport: transport,
	}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			return // the function is dead
		}
		actions, on := describe(r, body)
		for _, action := range actions {
			asked := needed(deploy.Need{Function: function, Action: action, On: on})
			if !needs[asked] {
				t.Errorf("deploy.Needs does not have %s", asked)
				w.Header().Set("X-Amzn-Errortype", "AccessDeniedException")
				w.WriteHeader(http.StatusForbidden)
				io.WriteString(w, `{"__type":"com.amazon.coral.service#AccessDeniedException"}`)
				return
			}
			called.Store(asked, true)
		}
		r.Body = io.NopCloser(bytes.NewReader(body))
		proxy.ServeHTTP(w, r)
	}))
	t.Cleanup(server.Close)
	return server.URL
}

// uncalled returns the calls that nobody made, without those that these tests cannot see.
func uncalled() []string {
	var all []string
	for _, n := range deploy.Needs {
		service, _, _ := strings.Cut(n.Action, ":")
		seen := n.Function != "HookFunction" && (service == "dynamodb" || service == "lambda") && !strings.HasPrefix(n.By[0], "Lambda: ")
		if _, ok := called.Load(needed(n)); seen && !ok {
			all = append(all, needed(n))
		}
	}
	return all
}

// checkCalled returns the exit status of the tests. If all have run and passed, all calls that the
// functions are allowed must have been made.
func checkCalled(status int) int {
	for _, some := range []string{"run", "skip", "list"} {
		if flag.Lookup("test."+some).Value.String() != "" {
			return status
		}
	}
	if missing := uncalled(); status == 0 && len(missing) > 0 {
		fmt.Printf("FAIL: allowed by deploy.Needs, but called in no test: %s\n", strings.Join(missing, "; "))
		return 1
	}
	return status
}
