package page_test

import (
	"crypto/sha256"
	"encoding/base64"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"a2alambda/internal/page"
)

func get(method string, headers ...string) *http.Response {
	r := httptest.NewRequest(method, "/", nil)
	for i := 0; i < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	w := httptest.NewRecorder()
	page.New(false).ServeHTTP(w, r)
	return w.Result()
}

func body(t *testing.T, r *http.Response) string {
	t.Helper()
	var b strings.Builder
	if _, err := io.Copy(&b, r.Body); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// TestPolicy checks the policy to the letter: it protects the page.
func TestPolicy(t *testing.T) {
	response := get(http.MethodGet)
	html := body(t, response)
	source := func(tag string) string {
		t.Helper()
		found := regexp.MustCompile(`(?s)<`+tag+`(?: [^>]*)?>(.+?)</`+tag+`>`).FindAllStringSubmatch(html, -1)
		if len(found) != 1 {
			t.Fatalf("the page has %d elements %s", len(found), tag)
		}
		sum := sha256.Sum256([]byte(found[0][1]))
		return "'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) + "'"
	}
	want := "default-src 'none'; script-src " + source("script") + "; style-src " + source("style") +
		"; img-src data: blob:; media-src blob:; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'" +
		"; require-trusted-types-for 'script'; trusted-types 'none'"
	if got := response.Header.Get("Content-Security-Policy"); got != want {
		t.Errorf("the policy is\n%s\nwant\n%s", got, want)
	}
	for header, want := range map[string]string{
		"Content-Type": "text/html; charset=utf-8", "X-Content-Type-Options": "nosniff", "Referrer-Policy": "no-referrer",
		"Cache-Control": "no-cache",
	} {
		if got := response.Header.Get(header); got != want {
			t.Errorf("%s is %q, want %q", header, got, want)
		}
	}
}

// TestSource checks that text never becomes HTML, that the page loads nothing from elsewhere, and
// that no element has an event handler or a style. Of its library it uses the parser, not the HTML.
func TestSource(t *testing.T) {
	html := body(t, get(http.MethodGet))
	library, err := os.ReadFile("lib/markdown-it.js")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat("lib/markdown-it.LICENSE"); err != nil {
		t.Error(err)
	}
	if html = strings.Replace(html, string(library), "", 1); strings.Contains(html, ".render(") {
		t.Error("the page has the library make HTML")
	}
	for _, forbidden := range []string{
		`innerHTML`, `outerHTML`, `insertAdjacentHTML`, `document\.write`, `\beval\(`, `new Function`, // text as HTML or script
		` (src|action)=`, `<link[^>]* href="[^d]`, `@import`, `url\(`, // what is elsewhere
		`<[a-z][^>]* on[a-z]+=`, `<[a-z][^>]* style=`, `javascript:`, // what the policy would refuse
		`<(script|style)></`, // what was not put in
	} {
		if found := regexp.MustCompile(forbidden).FindString(html); found != "" {
			t.Errorf("the page has %q", found)
		}
	}
}

// TestWords checks that all texts of the page are in words.js.
func TestWords(t *testing.T) {
	html, err := os.ReadFile("page.html")
	if err != nil {
		t.Fatal(err)
	}
	rest := regexp.MustCompile(`(?s)<title>.*?</title>|<noscript>.*?</noscript>|<[^>]*>`).ReplaceAllString(string(html), "")
	if found := regexp.MustCompile(`\pL.*`).FindString(rest); found != "" {
		t.Errorf("page.html says %q", found)
	}
	scripts, err := filepath.Glob("*.js")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range scripts {
		source, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		// A sentence in a string: a capital, and a word after a space.
		if found := regexp.MustCompile("(?m)^[^/\n]*['`][A-Z][a-z]+ [a-z]+[^'`\n]*['`]").FindString(string(source)); found != "" && name != "words.js" {
			t.Errorf("%s says %s", name, found)
		}
	}
}

func TestCaching(t *testing.T) {
	first := get(http.MethodGet)
	if again := get(http.MethodGet, "If-None-Match", first.Header.Get("ETag")); again.StatusCode != http.StatusNotModified {
		t.Errorf("asked again: %s", again.Status)
	}
	head := get(http.MethodHead)
	if got := body(t, head); head.StatusCode != http.StatusOK || got != "" || head.Header.Get("ETag") != first.Header.Get("ETag") {
		t.Errorf("HEAD: %s, %v, %d bytes", head.Status, head.Header, len(got))
	}
}
