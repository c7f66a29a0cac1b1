package bucket_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"

	"a2alambda/internal/bucket"
	"a2alambda/localtest/ministack"
)

// odd are keys whose characters are special in URLs, in signatures or in paths.
var odd = []string{
	"30/7f4e2a/5.writer/0-00ff", "a b+c", "é/🌊", "100%25", "x?y=z&w#v", "wait.a/b:c@d!$'()*,;=", "a//b", "~.-_", strings.Repeat("k", 1024),
}

// TestObjects puts objects and gets them, at an S3 that verifies signatures and checksums.
func TestObjects(t *testing.T) {
	b := bucket.New(ministack.Bucket(t))
	for _, key := range odd {
		for _, size := range []int{0, 1, 100_000, 5 << 20} {
			data := make([]byte, size)
			_, _ = rand.Read(data)
			sum := sha256.Sum256(data)
			if err := b.Put(t.Context(), key, data, sum); err != nil {
				t.Fatalf("%q: %v", key, err)
			}
			got, err := b.Get(t.Context(), key, int64(size), sum)
			if err != nil || !bytes.Equal(got, data) {
				t.Fatalf("%q: %d bytes, %v, want %d", key, len(got), err, size)
			}
		}
	}
}

// TestRefused gets what is not there or not what was put, and asks as somebody else.
func TestRefused(t *testing.T) {
	c := ministack.Bucket(t)
	b := bucket.New(c)
	data := []byte("text")
	sum := sha256.Sum256(data)
	if err := b.Put(t.Context(), "key", data, sum); err != nil {
		t.Fatal(err)
	}
	if _, err := b.Get(t.Context(), "other", 4, sum); !errors.Is(err, bucket.ErrMissing) || !strings.Contains(err.Error(), c.Name+"/other") {
		t.Errorf("a missing object: %v", err)
	}
	if _, err := b.Get(t.Context(), "key", 5, sum); !errors.Is(err, bucket.ErrChanged) {
		t.Errorf("a longer object: %v", err)
	}
	if _, err := b.Get(t.Context(), "key", 4, sha256.Sum256([]byte("Text"))); !errors.Is(err, bucket.ErrChanged) {
		t.Errorf("another object: %v", err)
	}
	if err := b.Put(t.Context(), "key", data, sha256.Sum256([]byte("Text"))); err == nil {
		t.Error("a wrong checksum was taken")
	}
	who, err := c.Credentials.Retrieve(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	refused := (*bucket.Error)(nil)
	c.Credentials = credentials.NewStaticCredentialsProvider(who.AccessKeyID, "wrong", "")
	if err := bucket.New(c).Put(t.Context(), "key", data, sum); !errors.As(err, &refused) || refused.Status != http.StatusForbidden || refused.Code != "SignatureDoesNotMatch" {
		t.Errorf("a wrong signature: %v", err)
	}
	c.Name += "-none"
	c.Credentials = b.Credentials
	if err := bucket.New(c).Put(t.Context(), "key", data, sum); !errors.As(err, &refused) || refused.Code != "NoSuchBucket" {
		t.Errorf("no such bucket: %v", err)
	}
}

// TestAgain has an S3 answer in turn. What may succeed is tried again, with the same body.
func TestAgain(t *testing.T) {
	const text = "an object"
	sum := sha256.Sum256([]byte(text))
	full := func(w http.ResponseWriter) { io.WriteString(w, text) }
	status := func(status int, code string) func(http.ResponseWriter) {
		return func(w http.ResponseWriter) {
			w.Header().Set("X-Amz-Request-Id", "R1")
			w.WriteHeader(status)
			io.WriteString(w, `<?xml version="1.0"?><Error><Code>`+code+`</Code><Message>no</Message></Error>`)
		}
	}
	cut := func(w http.ResponseWriter) {
		w.Header().Set("Content-Length", "9")
		io.WriteString(w, text[:4])
		panic(http.ErrAbortHandler)
	}
	none := func(http.ResponseWriter) { panic(http.ErrAbortHandler) }
	other := func(w http.ResponseWriter) { io.WriteString(w, "an 0bject") }
	for name, test := range map[string]struct {
		answers []func(http.ResponseWriter)
		want    string // of the error
	}{
		"at once":            {[]func(http.ResponseWriter){full}, ""},
		"slow down":          {[]func(http.ResponseWriter){status(503, "SlowDown"), full}, ""},
		"internal error":     {[]func(http.ResponseWriter){status(500, "InternalError"), full}, ""},
		"connection lost":    {[]func(http.ResponseWriter){none, full}, ""},
		"cut":                {[]func(http.ResponseWriter){cut, full}, ""},
		"changed on the way": {[]func(http.ResponseWriter){other, full}, ""},
		"slow for long":      {[]func(http.ResponseWriter){status(503, "SlowDown"), status(503, "SlowDown"), status(503, "SlowDown")}, "GET b/key: S3 answers 503 SlowDown (request R1)"},
		"denied":             {[]func(http.ResponseWriter){status(403, "AccessDenied")}, "GET b/key: S3 answers 403 AccessDenied (request R1)"},
		"missing":            {[]func(http.ResponseWriter){status(404, "NoSuchKey")}, "GET b/key: S3 answers 404 NoSuchKey (request R1)"},
		"changed":            {[]func(http.ResponseWriter){other, other, other}, "GET b/key: the object is not what was put: it has another SHA-256"},
	} {
		t.Run(name, func(t *testing.T) {
			for _, method := range []string{http.MethodGet, http.MethodPut} {
				if method == http.MethodPut && strings.HasPrefix(name, "c") {
					continue // of what is got
				}
				var mu sync.Mutex
				answers := test.answers
				server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
					body, _ := io.ReadAll(r.Body)
					if r.Method == http.MethodPut && string(body) != text || r.URL.Path != "/b/key" {
						t.Errorf("%s %s %q", r.Method, r.URL, body)
					}
					mu.Lock()
					next := full
					if len(answers) > 0 {
						next, answers = answers[0], answers[1:]
					}
					mu.Unlock()
					next(w)
				}))
				defer server.Close()
				tries := 0
				b := bucket.New(bucket.Config{
					Name: "b", Region: "eu-central-1", Endpoint: server.URL, Retryer: quick{},
					Credentials: credentials.NewStaticCredentialsProvider("id", "secret", ""),
					Done:        func(_ context.Context, _ string, errs []error) { tries = len(errs) },
				})
				var err error
				if method == http.MethodPut {
					err = b.Put(t.Context(), "key", []byte(text), sum)
				} else {
					var data []byte
					if data, err = b.Get(t.Context(), "key", int64(len(text)), sum); err == nil && string(data) != text {
						t.Errorf("got %q", data)
					}
				}
				want := strings.Replace(test.want, "GET", method, 1)
				if err == nil && want != "" || err != nil && err.Error() != want || len(answers) != 0 || tries != len(test.answers) {
					t.Errorf("%s: after %d tries: %v, want %q", method, tries, err, want)
				}
			}
		})
	}
}

// quick is a retryer of three tries without a pause.
type quick struct{ aws.NopRetryer }

func (quick) MaxAttempts() int                             { return 3 }
func (quick) RetryDelay(int, error) (time.Duration, error) { return 0, nil }
func (quick) GetRetryToken(context.Context, error) (func(error) error, error) {
	return func(error) error { return nil }, nil
}
func (quick) GetAttemptToken(context.Context) (func(error) error, error) {
	return func(error) error { return nil }, nil
}
func (quick) IsErrorRetryable(err error) bool {
	return bucket.New(bucket.Config{}).Retryer.IsErrorRetryable(err)
}

// TestSilence has an S3 that never answers: a try ends, and so does all at the end of the context.
func TestSilence(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tries := 0
		b := bucket.New(bucket.Config{
			Name: "b", Region: "eu-central-1", Credentials: credentials.NewStaticCredentialsProvider("id", "secret", ""),
			Client: roundTripper(func(r *http.Request) (*http.Response, error) {
				tries++
				<-r.Context().Done()
				return nil, r.Context().Err()
			}),
		})
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
		defer cancel()
		begun := time.Now()
		err := b.Put(ctx, "key", make([]byte, 1<<20), bucket.Sum{})
		if took := time.Since(begun); !errors.Is(err, context.DeadlineExceeded) || took > 20*time.Second || tries < 2 {
			t.Errorf("%d tries in %v: %v", tries, took, err)
		}
	})
}

type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) Do(r *http.Request) (*http.Response, error) { return f(r) }

// TestWhere asks for an object at AWS's endpoints and at others.
func TestWhere(t *testing.T) {
	for _, test := range []struct{ region, name, endpoint, want string }{
		{"us-east-1", "tasks", "", "https://tasks.s3.us-east-1.amazonaws.com/30/key"},
		{"eu-central-1", "my.tasks", "", "https://s3.eu-central-1.amazonaws.com/my.tasks/30/key"},
		{"cn-north-1", "tasks", "", "https://tasks.s3.cn-north-1.amazonaws.com.cn/30/key"},
		{"us-gov-west-1", "tasks", "", "https://tasks.s3.us-gov-west-1.amazonaws.com/30/key"},
		{"eusc-de-east-1", "tasks", "", "https://tasks.s3.eusc-de-east-1.amazonaws.eu/30/key"},
		{"us-east-1", "tasks", "http://127.0.0.1:5000/", "http://127.0.0.1:5000/tasks/30/key"},
	} {
		asked := ""
		b := bucket.New(bucket.Config{
			Name: test.name, Region: test.region, Endpoint: test.endpoint, Retryer: quick{},
			Credentials: credentials.NewStaticCredentialsProvider("id", "secret", "token"),
			Client: roundTripper(func(r *http.Request) (*http.Response, error) {
				asked = r.URL.String()
				if auth := r.Header.Get("Authorization"); !strings.Contains(auth, "/"+test.region+"/s3/aws4_request") || r.Header.Get("X-Amz-Security-Token") != "token" {
					t.Errorf("%s: %s", asked, auth)
				}
				return &http.Response{StatusCode: 200, Body: http.NoBody}, nil
			}),
		})
		if _, err := b.Get(t.Context(), "30/key", 0, sha256.Sum256(nil)); err != nil || asked != test.want {
			t.Errorf("asked %s, want %s (%v)", asked, test.want, err)
		}
	}
}
