package auth

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"sync"
	"sync/atomic"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
	"github.com/go-jose/go-jose/v4"
)

const (
	// refreshGap is the least time between two questions to the issuer: anybody can send tokens
	// with invented key ids. A key that is used before it is published may stay unknown for this
	// long.
	refreshGap = 5 * time.Second

	// maxAge is how long a key set is valid. For this long a key that the issuer has withdrawn
	// still works; longer only while the issuer can't be reached.
	maxAge = time.Hour

	// issuerTimeout is for the discovery document and the key set together.
	issuerTimeout = 5 * time.Second

	maxKeySet = 1 << 20 // bytes

	maxRedirects = 5
)

var (
	errUnavailable = errors.New("auth: the issuer can't be asked for its keys")
	errSignature   = errors.New("auth: no key of the issuer fits the signature")
)

// keys are the known public keys of the issuer. No library's cache fits: one that refreshes in the
// background stands still in a frozen instance, and one that asks for each unknown key lets anybody
// make it ask.
type keys struct {
	issuer  string
	client  *http.Client
	logger  *slog.Logger
	now     func() time.Time
	current atomic.Pointer[keySet] // nil before the first

	mu    sync.Mutex // held while the issuer is asked; guards what follows
	asked time.Time  // when, last
	err   error      // of that time
}

type keySet struct {
	keys    []jose.JSONWebKey
	fetched time.Time
}

func newKeys(issuer string, logger *slog.Logger) *keys {
	// No connection is kept: the next question comes in an hour, and the process may be frozen
	// until then.
	transport := &http.Transport{Proxy: http.ProxyFromEnvironment, DisableKeepAlives: true}
	client := &http.Client{Transport: transport, CheckRedirect: checkRedirect, Timeout: issuerTimeout}
	return &keys{issuer: issuer, client: client, logger: logger, now: time.Now}
}

// checkRedirect makes sure that nobody on the way can replace the issuer's keys, as a redirect to a
// URL without TLS would allow.
func checkRedirect(r *http.Request, via []*http.Request) error {
	switch {
	case !isSecure(r.URL):
		return errors.New("the redirect is not to a secure URL")
	case len(via) > maxRedirects:
		return errors.New("too many redirects")
	}
	return nil
}

// verify returns a token's payload if the issuer has signed it. The error is errSignature, or
// errUnavailable if the issuer could not be asked for newer keys.
func (k *keys) verify(ctx context.Context, token *jose.JSONWebSignature) ([]byte, error) {
	known := k.current.Load()
	if known != nil && k.now().Sub(known.fetched) < maxAge {
		if payload, ok := known.verify(token); ok {
			return payload, nil
		}
	}
	latest, err := k.refresh(ctx, known)
	if latest != nil {
		if payload, ok := latest.verify(token); ok {
			return payload, nil
		}
	}
	if err != nil {
		return nil, errUnavailable
	}
	return nil, errSignature
}

func (s *keySet) verify(token *jose.JSONWebSignature) (payload []byte, ok bool) {
	id := token.Signatures[0].Header.KeyID
	for _, key := range s.keys {
		if id != "" && key.KeyID != id {
			continue
		}
		if payload, err := token.Verify(key); err == nil {
			return payload, true
		}
	}
	return nil, false
}

// refresh returns the latest key set. If that is known, it asks the issuer for a newer one, unless
// it asked a moment ago. If it gets none, it returns known, with the error of the last attempt.
func (k *keys) refresh(ctx context.Context, known *keySet) (*keySet, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if latest := k.current.Load(); latest != known {
		return latest, nil
	}
	if !k.asked.IsZero() && k.now().Sub(k.asked) < refreshGap {
		return known, k.err
	}
	var latest *keySet
	latest, k.err = k.fetch(ctx)
	k.asked = k.now()
	if k.err != nil {
		k.logger.ErrorContext(ctx, "keys of the token issuer", "error", k.err)
		return known, k.err
	}
	k.current.Store(latest)
	return latest, nil
}

// fetch asks the issuer for its keys. It goes on if the request that needs them first is given up:
// other requests wait for them too.
func (k *keys) fetch(ctx context.Context) (*keySet, error) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), k.client.Timeout)
	defer cancel()
	provider, err := oidc.NewProvider(oidc.ClientContext(ctx, k.client), k.issuer)
	if err != nil {
		return nil, fmt.Errorf("auth: discovery: %w", err)
	}
	var metadata struct {
		KeySet string `json:"jwks_uri"`
	}
	if err := provider.Claims(&metadata); err != nil {
		return nil, fmt.Errorf("auth: discovery: %w", err)
	}
	if u, err := url.Parse(metadata.KeySet); err != nil || !isSecure(u) {
		return nil, fmt.Errorf("auth: discovery: the key set's URL %q is not secure", metadata.KeySet)
	}
	set, err := k.fetchSet(ctx, metadata.KeySet)
	if err != nil {
		return nil, fmt.Errorf("auth: key set: %w", err)
	}
	return set, nil
}

func (k *keys) fetchSet(ctx context.Context, from string) (*keySet, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, from, nil)
	if err != nil {
		return nil, err
	}
	response, err := k.client.Do(request)
	if err != nil {
		return nil, err
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("%s answers with %s", from, response.Status)
	}
	var published struct {
		Keys []json.RawMessage `json:"keys"`
	}
	if err := json.NewDecoder(io.LimitReader(response.Body, maxKeySet)).Decode(&published); err != nil {
		return nil, err
	}
	set := &keySet{fetched: k.now()}
	for _, data := range published.Keys {
		var key jose.JSONWebKey
		// Keys of unknown kinds must be ignored (RFC 7517, section 5). Encryption keys are no use.
		if key.UnmarshalJSON(data) == nil && key.IsPublic() && key.Use != "enc" {
			set.keys = append(set.keys, key)
		}
	}
	if len(set.keys) == 0 {
		return nil, fmt.Errorf("%s has no usable key", from)
	}
	return set, nil
}
