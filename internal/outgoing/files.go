package outgoing

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"path"
	"strings"
	"time"
)

// Files reads files by URLs that others choose, below those that the deployer allows. A nil *Files
// allows none. Its methods are safe for concurrent use.
type Files struct{ allowed []place }

// place is where files are. Each has a client of its own: an address that one has is not allowed to
// another one.
type place struct {
	*url.URL
	client *http.Client
}

// ErrTooLarge means that a file has more bytes than it may have.
var ErrTooLarge = errors.New("the file is too large")

// fileWithin is how long one try to read a file may take.
const fileWithin = 20 * time.Second

// ParseFiles returns the files below the URLs of a list, which has commas between them, or nil for
// "". A URL ends in a slash, and has no query. Its host is public and it is https, or its host is an
// address or localhost.
func ParseFiles(list string) (*Files, error) {
	var f Files
	for s := range strings.SplitSeq(list, ",") {
		if s = strings.TrimSpace(s); s == "" {
			continue
		}
		u, err := url.Parse(s)
		if err != nil || u.Host == "" || !strings.HasSuffix(u.Path, "/") || u.RawQuery != "" || u.ForceQuery || u.Fragment != "" || !isPlain(u) {
			return nil, fmt.Errorf("%q is no URL such as https://files.example/uploads/, with a slash at the end", s)
		}
		guard := Guard{}.With(u)
		if err := guard.CheckURL(s); err != nil {
			return nil, fmt.Errorf("%q cannot be read: %w", s, err)
		}
		f.allowed = append(f.allowed, place{u, guard.Client()})
	}
	if f.allowed == nil {
		return nil, nil
	}
	return &f, nil
}

// Allows reports whether a file may be read.
func (f *Files) Allows(raw string) bool { return f.at(raw) != nil }

// at returns the client for a file, or nil if it may not be read.
func (f *Files) at(raw string) *http.Client {
	u, err := url.Parse(raw)
	if f == nil || err != nil || len(raw) > maxURL || u.User != nil || !isPlain(u) {
		return nil
	}
	for _, a := range f.allowed {
		if SameHost(u, a.URL) && strings.HasPrefix(u.Path, a.Path) {
			return a.client
		}
	}
	return nil
}

// isPlain reports whether a URL's path is one that all servers understand alike: it goes nowhere up,
// and has no slash that is written in another way.
func isPlain(u *url.URL) bool {
	encoded := strings.ToLower(u.EscapedPath())
	clean := path.Clean(u.Path)
	if strings.HasSuffix(u.Path, "/") && clean != "/" {
		clean += "/"
	}
	return u.Opaque == "" && clean == u.Path && !strings.ContainsAny(u.Path, "\\;\x00") && !strings.Contains(encoded, "%2f") && !strings.Contains(encoded, "%25")
}

// Read returns a file of at most so many bytes, and the media type that its server says. It follows
// no redirects. The error is ErrBlocked, ErrTooLarge, or another one if the file cannot be read now.
// It has no part of the URL.
func (f *Files) Read(ctx context.Context, raw string, most int) (data []byte, mediaType string, err error) {
	client := f.at(raw)
	if client == nil {
		return nil, "", ErrBlocked
	}
	ctx, cancel := context.WithTimeout(ctx, fileWithin)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, raw, nil)
	if err != nil {
		return nil, "", ErrBlocked
	}
	resp, err := client.Do(req)
	if e := (*url.Error)(nil); errors.As(err, &e) {
		err = e.Err // without the URL, whose query may be a signature
	}
	if err != nil {
		return nil, "", err
	}
	defer resp.Body.Close()
	switch {
	case resp.StatusCode != http.StatusOK:
		return nil, "", fmt.Errorf("the answer has status %d", resp.StatusCode)
	case cmp.Or(resp.Header.Get("Content-Encoding"), "identity") != "identity":
		return nil, "", errors.New("the answer is compressed, which was not asked for")
	case resp.ContentLength > int64(most):
		return nil, "", ErrTooLarge
	}
	data, err = io.ReadAll(io.LimitReader(resp.Body, int64(most)+1))
	switch {
	case err != nil:
		return nil, "", err
	case len(data) > most:
		return nil, "", ErrTooLarge
	}
	return data, resp.Header.Get("Content-Type"), nil
}
