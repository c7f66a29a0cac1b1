package auth_test

import (
	"bytes"
	"context"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"a2alambda/internal/auth"
	"a2alambda/internal/auth/authtest"
)

// gap is longer than refreshGap, and hour than maxAge.
const (
	gap  = 6 * time.Second
	hour = time.Hour + time.Second
)

var unavailable = auth.Error{Status: 503, Message: "tokens can't be checked at the moment, try again later"}

type bench struct {
	auth.Scheme
	*authtest.Issuer
	log    bytes.Buffer
	passed time.Duration // since the test began, by the scheme's clock
}

func newBench(t *testing.T) *bench {
	t.Helper()
	b := &bench{Issuer: authtest.NewIssuer(t)}
	b.Scheme = must(auth.OIDC(b.URL, "agent", slog.New(slog.NewTextHandler(&b.log, nil))))
	began := time.Now()
	auth.SetClock(b.Scheme, func() time.Time { return began.Add(b.passed) })
	return b
}

// alice returns a token that is good for a day.
func (b *bench) alice() string {
	return b.Token(map[string]any{"sub": "alice", "aud": "agent", "exp": time.Now().Add(24 * time.Hour).Unix()})
}

func (b *bench) good(t *testing.T, token string) {
	t.Helper()
	if owner, err := authenticate(b, token); owner != "alice" || err != nil {
		t.Errorf("owner %q, %v; want alice", owner, err)
	}
}

func (b *bench) refuses(t *testing.T, token string, want auth.Error) {
	t.Helper()
	_, err := authenticate(b, token)
	refused(t, err, want)
}

func (b *bench) asked(t *testing.T, n int) {
	t.Helper()
	if got := b.Asked(); got != n {
		t.Errorf("the keys were fetched %d times, want %d", got, n)
	}
}

// unknown returns a token signed with a key that the issuer does not publish.
func unknown(t *testing.T, b *bench) string {
	t.Helper()
	other := authtest.NewIssuer(t)
	other.Rotate(jose.ES256)
	return other.Token(map[string]any{"iss": b.URL, "sub": "mallory", "aud": "agent"})
}

// down answers as a server that isn't there.
func down(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }

func TestRotation(t *testing.T) {
	b := newBench(t)
	first := b.alice()
	b.good(t, first)
	b.Rotate(jose.ES256)
	second := b.alice()
	// Known keys go on until the next question to the issuer.
	b.passed += gap
	b.good(t, first)
	b.asked(t, 1)
	b.good(t, second)
	b.asked(t, 2)
	b.good(t, second)
	b.refuses(t, first, invalid("the token is not valid"))
	b.asked(t, 2)
}

// TestWithdrawal checks that a withdrawn key ends even if every token has a known key.
func TestWithdrawal(t *testing.T) {
	b := newBench(t)
	first := b.alice()
	b.good(t, first)
	b.Rotate(jose.RS256)
	b.passed += hour
	b.refuses(t, first, invalid("the token is not valid"))
	b.asked(t, 2)
	b.good(t, b.alice())
	b.asked(t, 2)
}

func TestFlood(t *testing.T) {
	b := newBench(t)
	good, bad := b.alice(), unknown(t, b)
	parts := strings.Split(good, ".")
	tampered := parts[0] + "." + parts[1] + "." + strings.Repeat("A", len(parts[2]))
	for n := range 3 {
		for range 50 {
			b.refuses(t, bad, invalid("the token is not valid"))
			b.refuses(t, tampered, invalid("the token is not valid"))
			b.good(t, good)
		}
		b.asked(t, n+1)
		b.passed += gap
	}
}

func TestIssuerDown(t *testing.T) {
	b := newBench(t)
	token := b.alice()
	for name, answer := range map[string]http.HandlerFunc{
		"down":   down,
		"status": func(w http.ResponseWriter, r *http.Request) { http.Error(w, "no", 500) },
		"HTML":   func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, "<html>") },
		"another issuer": func(w http.ResponseWriter, r *http.Request) {
			io.WriteString(w, `{"issuer":"https://issuer.example","jwks_uri":"https://issuer.example/keys"}`)
		},
		"insecure keys": func(w http.ResponseWriter, r *http.Request) {
			io.WriteString(w, `{"issuer":"`+b.URL+`","jwks_uri":"http://issuer.example/keys"}`)
		},
		"no URL of keys": func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, `{"issuer":"`+b.URL+`"}`) },
		"keys missing": func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path == "/keys" {
				http.NotFound(w, r)
				return
			}
			io.WriteString(w, `{"issuer":"`+b.URL+`","jwks_uri":"`+b.URL+`/keys"}`)
		},
		"no usable key": func(w http.ResponseWriter, r *http.Request) {
			io.WriteString(w, `{"issuer":"`+b.URL+`","jwks_uri":"`+b.URL+`/keys","keys":[{"kty":"oct","k":"c2VjcmV0","kid":"key-1"},{"kty":"future"},7]}`)
		},
	} {
		t.Run(name, func(t *testing.T) {
			var questions atomic.Int32
			b.Break(func(w http.ResponseWriter, r *http.Request) {
				questions.Add(1)
				answer(w, r)
			})
			b.log.Reset()
			b.refuses(t, token, unavailable)
			if n := strings.Count(b.log.String(), "\n"); n != 1 || !strings.Contains(b.log.String(), "level=ERROR") {
				t.Errorf("logged %d lines: %s", n, &b.log)
			}
			before := questions.Load()
			for range 10 {
				b.refuses(t, token, unavailable)
			}
			if before == 0 || questions.Load() != before {
				t.Errorf("asked %d times, then %d times more at once", before, questions.Load()-before)
			}
			b.passed += gap
		})
	}
	b.asked(t, 0)
	b.Break(nil)
	b.good(t, token)
	b.asked(t, 1)
}

// TestRedirects checks that redirects to URLs that are not secure are not followed, from the
// discovery document and from the keys, and that others are.
func TestRedirects(t *testing.T) {
	b := newBench(t)
	const notSecure = "the redirect is not to a secure URL"
	document := `{"issuer":"` + b.URL + `","jwks_uri":"` + b.URL + `/keys"}`
	for _, test := range []struct {
		answer http.HandlerFunc
		log    string
	}{
		{func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, "http://issuer.example/", http.StatusFound)
		}, notSecure},
		{func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path == "/keys" {
				http.Redirect(w, r, "http://issuer.example/keys", http.StatusTemporaryRedirect)
				return
			}
			io.WriteString(w, document)
		}, notSecure},
		{func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, r.URL.Path, http.StatusFound) }, "too many redirects"},
	} {
		b.Break(test.answer)
		b.log.Reset()
		b.refuses(t, b.alice(), unavailable)
		if !strings.Contains(b.log.String(), test.log) {
			t.Errorf("logged %s, want %q", &b.log, test.log)
		}
		b.passed += gap
	}
	other := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		b.Break(nil)
		http.Redirect(w, r, b.URL+"/keys", http.StatusFound)
	}))
	defer other.Close()
	b.Break(func(w http.ResponseWriter, r *http.Request) {
		io.WriteString(w, strings.Replace(document, b.URL+"/keys", other.URL, 1))
	})
	b.good(t, b.alice())
}

func TestIssuerHangs(t *testing.T) {
	b := newBench(t)
	auth.SetTimeout(b.Scheme, 50*time.Millisecond)
	b.Break(func(w http.ResponseWriter, r *http.Request) { <-r.Context().Done() })
	b.refuses(t, b.alice(), unavailable)
}

// TestIssuerDownLater checks that known keys serve while the issuer is down, however old.
func TestIssuerDownLater(t *testing.T) {
	b := newBench(t)
	good, bad := b.alice(), unknown(t, b)
	b.good(t, good)
	b.Break(down)
	b.good(t, good)
	b.refuses(t, bad, invalid("the token is not valid")) // the issuer has just been asked
	b.passed += gap
	b.refuses(t, bad, unavailable)
	b.good(t, good)
	b.passed += hour
	b.good(t, good)
	b.refuses(t, bad, unavailable)
	b.Break(nil)
	b.passed += gap
	b.good(t, good)
	b.asked(t, 2)
	b.refuses(t, bad, invalid("the token is not valid"))
}

// TestConcurrent checks that the issuer is asked once, however many requests wait.
func TestConcurrent(t *testing.T) {
	b := newBench(t)
	for n := range 3 {
		token := b.alice()
		var wg sync.WaitGroup
		for range 40 {
			wg.Go(func() { b.good(t, token) })
		}
		wg.Wait()
		b.asked(t, n+1)
		b.Rotate(jose.ES256)
		b.passed += gap
	}
}

// TestKnownKeyDoesNotWait checks that a known key does not wait for an unknown one.
func TestKnownKeyDoesNotWait(t *testing.T) {
	b := newBench(t)
	good, bad := b.alice(), unknown(t, b)
	b.good(t, good)
	b.passed += gap
	asked, answer := make(chan struct{}, 1), make(chan struct{})
	b.Break(func(http.ResponseWriter, *http.Request) {
		asked <- struct{}{}
		<-answer
		panic(http.ErrAbortHandler)
	})
	over := make(chan error)
	go func() {
		_, err := authenticate(b, bad)
		over <- err
	}()
	<-asked
	b.good(t, good)
	close(answer)
	refused(t, <-over, unavailable)
}

// TestCanceledRequest checks that a request that is given up still fetches the keys for others.
func TestCanceledRequest(t *testing.T) {
	b := newBench(t)
	token := b.alice()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if owner, err := subject(b, request("Bearer "+token).WithContext(ctx)); owner != "alice" || err != nil {
		t.Errorf("owner %q, %v", owner, err)
	}
	b.good(t, token)
	b.asked(t, 1)
}
