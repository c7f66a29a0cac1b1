package ministack

import (
	"context"
	"crypto/rand"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"sync"
	"testing"

	"github.com/aws/aws-sdk-go-v2/credentials"

	"a2alambda/internal/bucket"
	"a2alambda/localtest"
)

// shared is the test binary's account. It ends with the process.
var shared = sync.OnceValues(func() (*Account, error) {
	python, err := localtest.Install(context.Background(), "ministack")
	if err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp("", "ministack")
	if err != nil {
		return nil, err
	}
	return start(context.Background(), python, dir)
})

// Bucket makes a bucket of S3 for the test, and a user that may put and get objects of the tests' buckets, in the
// test binary's account. The first call starts the account. It is S3 by what it answers, not by
// how long it takes.
func Bucket(tb testing.TB) bucket.Config {
	tb.Helper()
	m := Shared(tb)
	name := "bodies-" + strings.ToLower(rand.Text())
	id, secret, err := m.User(tb.Context(), name,
		`{"Statement":[{"Effect":"Allow","Action":["s3:PutObject","s3:GetObject"],"Resource":"arn:aws:s3:::bodies-*/*"}]}`)
	localtest.Must(tb, err)
	r, err := http.NewRequestWithContext(tb.Context(), http.MethodPut, m.Endpoint+"/"+name, nil)
	localtest.Must(tb, err)
	resp, err := sign("s3").Do(r)
	localtest.Must(tb, err)
	defer resp.Body.Close()
	if text, _ := io.ReadAll(resp.Body); resp.StatusCode != http.StatusOK {
		localtest.Must(tb, fmt.Errorf("ministack: bucket %s: %s %s", name, resp.Status, text))
	}
	return bucket.Config{Name: name, Region: Region, Endpoint: m.Endpoint, Credentials: credentials.NewStaticCredentialsProvider(id, secret, "")}
}

// Shared returns the test binary's account. The first call starts it.
func Shared(tb testing.TB) *Account {
	tb.Helper()
	m, err := shared()
	localtest.Must(tb, err)
	return m
}
