// Package bucket puts objects into a bucket of Amazon S3, and gets them.
//
// It is not the SDK's client, which makes the zip of a function 0.95 MB bigger, an eighth, for two
// requests: see package awscall.
//
// https://docs.aws.amazon.com/AmazonS3/latest/API/API_PutObject.html
// https://docs.aws.amazon.com/AmazonS3/latest/API/API_GetObject.html
package bucket

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/retry"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
	"github.com/aws/smithy-go/encoding/httpbinding"
	smithyhttp "github.com/aws/smithy-go/transport/http"

	"a2alambda/internal/awscall"
)

// Config says where a bucket is, and how it is asked. Name, Region and Credentials are required.
type Config struct {
	Name, Region string
	Credentials  aws.CredentialsProvider
	// Endpoint is the URL of an S3 elsewhere than at AWS. The bucket's name is the first segment of
	// its paths.
	Endpoint string
	Client   aws.HTTPClient // default: [http.DefaultClient]
	// Retryer decides which requests are tried again, and when. Default: the SDK's standard.
	Retryer aws.RetryerV2
	// Done is called after each request with what was asked, PUT or GET, and the errors of all its
	// tries, of which the last may be nil. Default: nobody is told.
	Done func(ctx context.Context, method string, tries []error)
}

// Bucket is a bucket. Its methods may be called at the same time.
type Bucket struct {
	Config
	base   string // URL, with a slash at the end
	signer *v4.Signer
}

// New returns a bucket. It sends nothing.
func New(c Config) *Bucket {
	if c.Client == nil {
		c.Client = http.DefaultClient
	}
	if c.Retryer == nil {
		c.Retryer = retry.NewStandard()
	}
	if c.Done == nil {
		c.Done = func(context.Context, string, []error) {}
	}
	return &Bucket{c, base(c), v4.NewSigner(func(o *v4.SignerOptions) {
		o.DisableURIPathEscaping = true // S3 signs a path as it is sent
	})}
}

// Sum is the SHA-256 of an object.
type Sum = [sha256.Size]byte

// Put puts an object with that checksum, which S3 verifies. It replaces one that has the key.
func (b *Bucket) Put(ctx context.Context, key string, data []byte, sum Sum) error {
	_, err := b.do(ctx, &request{http.MethodPut, key, data, int64(len(data)), sum})
	return err
}

// Get returns the object, which must have that size and checksum.
func (b *Bucket) Get(ctx context.Context, key string, size int64, sum Sum) ([]byte, error) {
	return b.do(ctx, &request{http.MethodGet, key, nil, size, sum})
}

// request asks to put or get the object with the key.
type request struct {
	method, key string
	data        []byte // to put
	size        int64  // of the object
	sum         Sum
}

// do sends a request until it succeeds, the retryer gives up, or ctx is done.
func (b *Bucket) do(ctx context.Context, q *request) (data []byte, _ error) {
	tries, err := awscall.Do(ctx, b.Retryer, func(ctx context.Context) (err error) {
		data, err = b.try(ctx, q)
		return err
	})
	b.Done(ctx, q.method, tries)
	if err != nil {
		return nil, fmt.Errorf("%s %s/%s: %w", q.method, b.Name, q.key, err)
	}
	return data, nil
}

// tryWithin is how long one try may take, besides a second for each MB.
const tryWithin = 6 * time.Second

func (b *Bucket) try(ctx context.Context, q *request) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, tryWithin+time.Duration(q.size)*time.Second/(1<<20))
	defer cancel()
	r, err := b.signed(ctx, q)
	if err != nil {
		return nil, err
	}
	resp, err := b.Client.Do(r)
	if err != nil {
		return nil, &smithyhttp.RequestSendError{Err: err}
	}
	defer resp.Body.Close()
	switch {
	case resp.StatusCode != http.StatusOK:
		return nil, refusal(resp)
	case q.method == http.MethodPut:
		_, err := io.Copy(io.Discard, io.LimitReader(resp.Body, maxRefusal)) // for the connection to be used again
		return nil, lost(err)
	case resp.ContentLength >= 0 && resp.ContentLength != q.size:
		return nil, fmt.Errorf("%w: it has %d bytes, not %d", ErrChanged, resp.ContentLength, q.size)
	}
	data := make([]byte, q.size)
	if _, err := io.ReadFull(resp.Body, data); err != nil {
		return nil, lost(err)
	}
	if sha256.Sum256(data) != q.sum {
		return nil, awscall.Again{Err: fmt.Errorf("%w: it has another SHA-256", ErrChanged)}
	}
	return data, nil
}

// signed returns the request, signed.
func (b *Bucket) signed(ctx context.Context, q *request) (*http.Request, error) {
	r, err := http.NewRequestWithContext(ctx, q.method, b.base+httpbinding.EscapePath(q.key, false), nil)
	if err != nil {
		return nil, err
	}
	content := sha256.Sum256(nil)
	if q.method == http.MethodPut {
		content = q.sum
		r.GetBody = func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(q.data)), nil }
		r.Body, _ = r.GetBody()
		r.ContentLength = q.size
		r.Header.Set("Content-Type", "application/octet-stream")
		// With it, S3 stores the checksum, too.
		r.Header.Set("X-Amz-Checksum-Sha256", base64.StdEncoding.EncodeToString(q.sum[:]))
	}
	hash := hex.EncodeToString(content[:])
	r.Header.Set("X-Amz-Content-Sha256", hash)
	who, err := b.Credentials.Retrieve(ctx)
	if err != nil {
		return nil, fmt.Errorf("credentials: %w", err)
	}
	return r, b.signer.SignHTTP(ctx, who, r, hash, "s3", b.Region, time.Now())
}

// ErrMissing says that there is no such object. S3 says so to whoever may list the bucket; to
// others it says that access is denied.
var ErrMissing = errors.New("there is no such object")

// ErrChanged says that an object is not what was put: its length or its checksum differs.
var ErrChanged = errors.New("the object is not what was put")

// Error is a refusal by S3.
// https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html
type Error struct {
	Status int
	Code   string // such as SlowDown; may be empty
	ID     string // of the request
}

func (e *Error) Error() string {
	return fmt.Sprintf("S3 answers %d %s (request %s)", e.Status, e.Code, e.ID)
}

// Is makes an Error an [ErrMissing] if S3 says so.
func (e *Error) Is(target error) bool { return target == ErrMissing && e.Code == "NoSuchKey" }

// ErrorCode and HTTPStatusCode are for the SDK's retryers.
func (e *Error) ErrorCode() string   { return e.Code }
func (e *Error) HTTPStatusCode() int { return e.Status }

// maxRefusal bounds what is read of an answer without an object.
const maxRefusal = 16 << 10

// refusal returns the error in an answer.
func refusal(resp *http.Response) error {
	text, _ := io.ReadAll(io.LimitReader(resp.Body, maxRefusal))
	_, after, _ := bytes.Cut(text, []byte("<Code>"))
	code, _, found := bytes.Cut(after, []byte("</Code>"))
	if !found {
		code = nil
	}
	return &Error{resp.StatusCode, string(code), resp.Header.Get("X-Amz-Request-Id")}
}

// lost returns the error of an answer that ended early, or nil.
func lost(err error) error {
	if err == nil {
		return nil
	}
	return awscall.Again{Err: fmt.Errorf("reading the answer: %w", err)}
}
