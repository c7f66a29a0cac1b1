// Package page serves a page for browsers to talk to the agent: it shows the agent card, sends
// messages, and shows events as they come. The page speaks A2A 1.0 over JSON-RPC, with its own
// server only.
package page

import (
	"bytes"
	"crypto/sha256"
	"embed"
	"encoding/base64"
	"fmt"
	"net/http"
	"strings"
	"time"
)

//go:embed page.html page.css *.js lib/*.js
var files embed.FS

// scripts become one module, in this order. words.js has the page's texts.
var scripts = []string{
	"lib/markdown-it.js", // its licence is beside it
	"words.js", "parts.js", "rpc.js", "presence.js", "mend.js", "markdown.js", "tree.js", "voice.js", "task.js", "steps.js",
	"view.js", "scroll.js", "card.js", "files.js", "list.js", "conversation.js", "main.js",
}

// New returns the handler of the page, for GET and HEAD. Steps says that the agent is a durable one:
// the page asks for the steps of its tasks, too. Style and script are inside it, because a
// Lambda instance serves one request at a time: the page needs one request, not six.
//
// The Content-Security-Policy (https://www.w3.org/TR/CSP3/) allows only these: the two run, by
// their hashes; the page asks its own origin; it shows images, sound and film of messages and
// artifacts. The script can't make HTML of a text (https://www.w3.org/TR/trusted-types/).
func New(steps bool) http.Handler {
	style := read("page.css")
	var script strings.Builder
	for _, name := range scripts {
		script.WriteString("\n" + read(name))
	}
	html := strings.NewReplacer(
		"<style></style>", "<style>"+style+"</style>",
		`<script type="module"></script>`, `<script type="module">`+script.String()+"</script>",
	).Replace(read("page.html"))
	if steps {
		html = strings.Replace(html, "<body>", "<body data-steps>", 1)
	}
	policy := strings.Join([]string{
		"default-src 'none'",
		"script-src " + hash(script.String()),
		"style-src " + hash(style),
		"img-src data: blob:", // the icon; files of messages and artifacts
		"media-src blob:",
		"connect-src 'self'",
		"base-uri 'none'",
		"form-action 'none'",
		"frame-ancestors 'none'",
		"require-trusted-types-for 'script'",
		"trusted-types 'none'",
	}, "; ")
	etag := fmt.Sprintf(`"%x"`, sha256.Sum256([]byte(policy+html)))
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Content-Type", "text/html; charset=utf-8")
		h.Set("Content-Security-Policy", policy)
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Referrer-Policy", "no-referrer")
		h.Set("Cross-Origin-Opener-Policy", "same-origin")
		h.Set("Cache-Control", "no-cache") // kept, but asked for again by its ETag
		h.Set("ETag", etag)
		http.ServeContent(w, r, "", time.Time{}, bytes.NewReader([]byte(html)))
	})
}

func hash(text string) string {
	sum := sha256.Sum256([]byte(text))
	return "'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) + "'"
}

func read(name string) string {
	data, err := files.ReadFile(name)
	if err != nil {
		panic("page: " + err.Error()) // it is embedded
	}
	return string(data)
}
