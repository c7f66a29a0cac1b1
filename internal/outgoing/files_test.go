package outgoing

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

// TestFilesAllowed checks which URLs are below those that are allowed.
func TestFilesAllowed(t *testing.T) {
	f, err := ParseFiles("https://files.example/uploads/, https://other.example:8443/, http://127.0.0.1:9000/x/")
	if err != nil {
		t.Fatal(err)
	}
	for raw, want := range map[string]bool{
		"https://files.example/uploads/a.png":                        true,
		"https://FILES.example:443/uploads/b/a.png?sig=1#x":          true,
		"https://files.example/uploads/a%20b.png":                    true,
		"https://other.example:8443/a":                               true,
		"http://127.0.0.1:9000/x/a":                                  true,
		"https://files.example/uploads":                              false,
		"https://files.example/uploadsx/a":                           false,
		"https://files.example/other/a":                              false,
		"https://files.example/uploads/../a":                         false,
		"https://files.example/uploads/%2e%2e/a":                     false,
		"https://files.example/uploads/..%2fa":                       false,
		"https://files.example/uploads/..%252fa":                     false,
		`https://files.example/uploads/..\a`:                         false,
		"https://files.example/uploads/..;/a":                        false,
		"https://files.example/uploads//a":                           false,
		"http://files.example/uploads/a":                             false,
		"https://files.example:8443/uploads/a":                       false,
		"https://files.example.evil.example/uploads/a":               false,
		"https://files.example@evil.example/uploads/a":               false,
		"https://user@files.example/uploads/a":                       false,
		"https://files.example./uploads/a":                           false,
		"https://other.example/a":                                    false,
		"http://127.0.0.1:9001/x/a":                                  false,
		"http://localhost:9000/x/a":                                  false,
		"file:///etc/passwd":                                         false,
		"https:files.example/uploads/a":                              false,
		"":                                                           false,
		"https://files.example/uploads/" + strings.Repeat("a", 2048): false,
	} {
		if got := f.Allows(raw); got != want {
			t.Errorf("%q: %v, want %v", raw, got, want)
		}
	}
	none, err := ParseFiles(" ")
	if err != nil || none.Allows("https://files.example/uploads/a.png") {
		t.Errorf("nothing is allowed: %v", err)
	}
	for list, want := range map[string]string{
		"https://files.example":                    `"https://files.example" is no URL such as https://files.example/uploads/, with a slash at the end`,
		"https://files.example/?x":                 `"https://files.example/?x" is no URL such as https://files.example/uploads/, with a slash at the end`,
		"https://files.example/a/../b/":            `"https://files.example/a/../b/" is no URL such as https://files.example/uploads/, with a slash at the end`,
		"files.example/":                           `"files.example/" is no URL such as https://files.example/uploads/, with a slash at the end`,
		"http://files.example/":                    `"http://files.example/" cannot be read: url must be https`,
		"http://127.0.0.1/, http://files.example/": `"http://files.example/" cannot be read: url must be https`,
		"ftp://files.example/":                     `"ftp://files.example/" cannot be read: url must be https`,
		"https://a:b@files.example/":               `"https://a:b@files.example/" cannot be read: url must not contain a user: use authentication`,
	} {
		if _, err := ParseFiles(list); err == nil || err.Error() != want {
			t.Errorf("%s: got %v, want %s", list, err, want)
		}
	}
}

// TestFilesRead reads files, and refuses to be led elsewhere.
func TestFilesRead(t *testing.T) {
	elsewhere := 0
	other := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { elsewhere++ }))
	defer other.Close()
	mux := http.NewServeMux()
	s := httptest.NewServer(mux)
	defer s.Close()
	mux.HandleFunc("/ok", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "image/png")
		_, _ = w.Write([]byte("PNG"))
	})
	mux.HandleFunc("/endless", func(w http.ResponseWriter, r *http.Request) {
		for r.Context().Err() == nil {
			if _, err := w.Write(make([]byte, 1<<10)); err != nil {
				return
			}
		}
	})
	mux.HandleFunc("/elsewhere", func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, other.URL, http.StatusFound) })
	mux.HandleFunc("/packed", func(w http.ResponseWriter, _ *http.Request) { w.Header().Set("Content-Encoding", "gzip") })
	mux.HandleFunc("/slow", func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() })
	f, err := ParseFiles(s.URL + "/")
	if err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]string{
		"/ok?sig=s3cr3t": "", "/endless?sig=s3cr3t": ErrTooLarge.Error(), "/elsewhere?sig=s3cr3t": "the answer has status 302", "/none?sig=s3cr3t": "the answer has status 404",
		"/packed?sig=s3cr3t": "the answer is compressed, which was not asked for", "/slow?sig=s3cr3t": "context deadline exceeded",
	} {
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		if strings.HasPrefix(path, "/slow") {
			ctx, cancel = context.WithTimeout(t.Context(), time.Millisecond)
		}
		data, mediaType, err := f.Read(ctx, s.URL+path, 3000)
		cancel()
		if want == "" {
			if err != nil || string(data) != "PNG" || mediaType != "image/png" {
				t.Errorf("%s: %q, %s, %v", path, data, mediaType, err)
			}
		} else if err == nil || err.Error() != want {
			t.Errorf("%s: got %v, want %s", path, err, want)
		}
	}
	if _, _, err := f.Read(t.Context(), other.URL+"/", 10); !errors.Is(err, ErrBlocked) {
		t.Errorf("elsewhere: %v", err)
	}
	if elsewhere > 0 {
		t.Error("it went elsewhere")
	}
	// Nor by a name that is allowed, and has an address that is not public.
	if _, err := ParseFiles("https://localhost.localdomain.localhost/"); err == nil {
		t.Error("a name of this machine is allowed")
	}
	host := strings.Replace(s.URL, "127.0.0.1", "[::ffff:127.0.0.1]", 1)
	if f.Allows(host + "/ok") {
		t.Error("another spelling of the address is allowed")
	}
}
