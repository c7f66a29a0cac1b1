// Package faults makes DynamoDB fail. Its proxy refuses requests, loses answers and is slow, with
// given probabilities; it can be cut off, and it can refuse writes that are too many for a key.
package faults

import (
	"bytes"
	"context"
	"fmt"
	"hash/crc32"
	"io"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

// Rates are probabilities from 0 to 1. A request has at most one fault, so their sum is at most 1.
type Rates struct {
	Throttle float64 // ProvisionedThroughputExceededException, and nothing is done
	Fail     float64 // InternalServerError (500), and nothing is done
	Lose     float64 // done, but the answer is InternalServerError or a closed connection
	// Done and answered late, both by up to half of MaxDelay, even if the client has gone.
	Late float64
}

// MaxDelay is the longest delay of an answer. The shortest is MaxDelay/4.
const MaxDelay = 800 * time.Millisecond

// Counts says how many requests had each fault.
type Counts struct {
	Requests                   int // in all
	Throttle, Fail, Lose, Late int // Throttle includes the writes that a bucket has refused
}

// Proxy passes requests on to a DynamoDB endpoint, with faults.
type Proxy struct {
	target    *url.URL
	transport *http.Transport

	mu     sync.Mutex // guards what follows
	random *rand.Rand
	rates  Rates
	counts Counts
	bucket *Bucket
	cut    *cut // not nil after Cut
}

// cut is a time in which no request passes.
type cut struct {
	held []string      // the operations of the requests since
	over chan struct{} // closed when done is set
	done bool          // the requests are done after the cut
}

// New returns a proxy for the endpoint, without faults before [Proxy.Set]. The seed decides which
// requests get which fault.
func New(endpoint string, seed uint64) (*Proxy, error) {
	target, err := url.Parse(endpoint)
	if err != nil {
		return nil, fmt.Errorf("faults: %w", err)
	}
	return &Proxy{
		target: target,
		// A body that the transport decompressed would not match the checksum in X-Amz-Crc32.
		transport: &http.Transport{DisableCompression: true, MaxIdleConnsPerHost: 100},
		random:    rand.New(rand.NewPCG(seed, 0)),
	}, nil
}

// Start serves a proxy for a test.
func Start(tb testing.TB, endpoint string, seed uint64) (*Proxy, *httptest.Server) {
	tb.Helper()
	p, err := New(endpoint, seed)
	if err != nil {
		tb.Fatal(err)
	}
	server := httptest.NewServer(p)
	tb.Cleanup(server.Close)
	tb.Cleanup(p.Close)
	return p, server
}

// Set changes the rates for requests from now on. Zero rates mean no faults.
func (p *Proxy) Set(r Rates) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.rates = r
}

// Limit has the bucket, if not nil, refuse writes from now on, besides other faults.
func (p *Proxy) Limit(b *Bucket) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.bucket = b
}

// Counts returns the faults so far.
func (p *Proxy) Counts() Counts {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.counts
}

// Cut holds all requests from now on, as a network can, until [Proxy.Mend].
func (p *Proxy) Cut() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.cut == nil {
		p.cut = &cut{over: make(chan struct{})}
	}
}

// Held returns the operations of the held requests, such as PutItem.
func (p *Proxy) Held() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.cut == nil {
		return nil
	}
	return slices.Clone(p.cut.held)
}

// Mend ends a cut. The held requests are done now, even if their clients have gone; with lost, they
// are never done. Later requests pass.
func (p *Proxy) Mend(lost bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.cut != nil {
		p.cut.done = !lost
		close(p.cut.over)
		p.cut = nil
	}
}

// operation returns the operation that is asked for, such as PutItem.
func operation(r *http.Request) string {
	_, operation, _ := strings.Cut(r.Header.Get("X-Amz-Target"), ".")
	return operation
}

// hold waits until no cut holds the request. It reports whether to do the request.
func (p *Proxy) hold(r *http.Request) bool {
	p.mu.Lock()
	c := p.cut
	if c != nil {
		c.held = append(c.held, operation(r))
	}
	p.mu.Unlock()
	if c == nil {
		return true
	}
	<-c.over
	return c.done
}

// Close drops the held requests, and closes the idle connections to the endpoint.
func (p *Proxy) Close() {
	p.Mend(true)
	p.transport.CloseIdleConnections()
}

type fault struct {
	throttle, fail, lose, drop bool
	before, after              time.Duration // delays before and after the request is done
}

func (p *Proxy) next(r *http.Request, body []byte) (f fault) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.counts.Requests++
	if p.bucket != nil && !p.bucket.takes(operation(r), body) {
		p.counts.Throttle++
		f.throttle = true
		return f
	}
	x := p.random.Float64()
	hit := func(rate float64, count *int) bool {
		was := x
		if x -= rate; was < 0 || x >= 0 {
			return false
		}
		*count++
		return true
	}
	delay := func() time.Duration { return MaxDelay/8 + time.Duration(p.random.Int64N(int64(MaxDelay*3/8))) }
	switch {
	case hit(p.rates.Throttle, &p.counts.Throttle):
		f.throttle = true
	case hit(p.rates.Fail, &p.counts.Fail):
		f.fail = true
	case hit(p.rates.Lose, &p.counts.Lose):
		f.lose = true
		f.drop = p.random.IntN(2) == 0
	case hit(p.rates.Late, &p.counts.Late):
		f.before, f.after = delay(), delay()
	}
	return f
}

func (p *Proxy) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		panic(http.ErrAbortHandler)
	}
	if !p.hold(r) {
		panic(http.ErrAbortHandler)
	}
	f := p.next(r, body)
	switch {
	case f.throttle:
		refuse(w, http.StatusBadRequest, "ProvisionedThroughputExceededException")
		return
	case f.fail:
		refuse(w, http.StatusInternalServerError, "InternalServerError")
		return
	}
	time.Sleep(f.before)
	header, status, answer, err := p.forward(r, body)
	time.Sleep(f.after)
	switch {
	case err != nil, f.lose && f.drop:
		panic(http.ErrAbortHandler) // closes the connection
	case f.lose:
		refuse(w, http.StatusInternalServerError, "InternalServerError")
		return
	}
	for name, values := range header {
		w.Header()[name] = values
	}
	respond(w, status, answer)
}

// forward sends the request even if the client has gone: a client cannot call back what it sent.
func (p *Proxy) forward(r *http.Request, body []byte) (http.Header, int, []byte, error) {
	out := r.Clone(context.WithoutCancel(r.Context()))
	out.URL.Scheme, out.URL.Host = p.target.Scheme, p.target.Host
	out.RequestURI = ""
	out.Body = io.NopCloser(bytes.NewReader(body))
	out.ContentLength = int64(len(body))
	response, err := p.transport.RoundTrip(out)
	if err != nil {
		return nil, 0, nil, err
	}
	defer response.Body.Close()
	answer, err := io.ReadAll(response.Body)
	return response.Header, response.StatusCode, answer, err
}

// refuse answers with an error in the shape of
// https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Programming.Errors.html
func refuse(w http.ResponseWriter, status int, kind string) {
	kind = "com.amazonaws.dynamodb.v20120810#" + kind
	body := fmt.Appendf(nil, `{"__type":%q,"message":"a fault as told"}`, kind)
	w.Header().Set("Content-Type", "application/x-amz-json-1.0")
	w.Header().Set("X-Amzn-Errortype", kind)
	respond(w, status, body)
}

// respond sends a body with its checksum: without one, the SDK warns. DynamoDB Local leaves it out
// of errors.
func respond(w http.ResponseWriter, status int, body []byte) {
	if w.Header().Get("X-Amz-Crc32") == "" {
		w.Header().Set("X-Amz-Crc32", strconv.FormatUint(uint64(crc32.ChecksumIEEE(body)), 10))
	}
	w.WriteHeader(status)
	w.Write(body)
}
