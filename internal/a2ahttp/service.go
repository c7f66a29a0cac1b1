package a2ahttp

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"os"
	"runtime/debug"
	"slices"
	"strings"

	"github.com/a2aproject/a2a-go/v2/a2a"
	"github.com/a2aproject/a2a-go/v2/a2asrv"

	"a2alambda/internal/memory"
	"a2alambda/internal/protojson"
)

// legacyExtensions is the header of 0.3 for what 1.0 calls A2A-Extensions.
const legacyExtensions = "X-A2A-Extensions"

// maxExtensions is how many extensions a request may name. A local server takes headers of a megabyte.
const maxExtensions = 100

func (h *handler) newCall(w http.ResponseWriter, r *http.Request, b binding, d *dialect) *call {
	c := &call{handler: h, w: w, r: r, binding: b, dialect: d, seen: observationOf(r)}
	w.Header().Set("Vary", varies)
	c.seen.binding = b.name()
	return c
}

// contain answers a panic with an internal error. It is deferred.
func (c *call) contain() {
	if p := recover(); p != nil {
		c.Logger.ErrorContext(c.r.Context(), "panic", "error", p, "stack", string(debug.Stack()))
		c.fail(a2a.ErrInternalError)
	}
}

// bodyMemory is how many bytes a request takes for each of its body, about: as it came, decoded, encoded for the log, and read again.
const bodyMemory = 12

// begin finds out who is calling and reads the body. If it reports false, it has answered.
func (c *call) begin() (body []byte, ok bool) {
	owner, err := c.Auth.Authenticate(c.r)
	if err != nil {
		c.failAuth(err)
		return nil, false
	}
	c.caller.Owner = owner
	if t := c.r.Header.Get("Content-Type"); t != "" && !isJSON(t) && c.r.Method == http.MethodPost {
		c.failStatus(http.StatusUnsupportedMediaType, a2a.NewError(a2a.ErrInvalidRequest, "Content-Type must be application/json"))
		return nil, false
	}
	if coding := strings.TrimSpace(c.r.Header.Get("Content-Encoding")); coding != "" && !strings.EqualFold(coding, "identity") {
		c.w.Header().Set("Accept-Encoding", "identity") // RFC 9110, 12.5.3
		c.failStatus(http.StatusUnsupportedMediaType, a2a.NewError(a2a.ErrInvalidRequest,
			"Content-Encoding is "+protojson.Echo(coding)+": a body must not be compressed"))
		return nil, false
	}
	if err := memory.Charge(c.r.Context(), "body", bodyMemory*min(max(0, c.r.ContentLength), maxBody)); err != nil {
		c.fail(err)
		return nil, false
	}
	body, err = io.ReadAll(http.MaxBytesReader(c.w, c.r.Body, maxBody))
	if tooBig := (*http.MaxBytesError)(nil); errors.As(err, &tooBig) {
		c.failStatus(http.StatusRequestEntityTooLarge, a2a.NewError(a2a.ErrInvalidRequest, "the body is longer than 6 MB"))
		return nil, false
	}
	if errors.Is(err, os.ErrDeadlineExceeded) {
		c.failStatus(http.StatusRequestTimeout, a2a.NewError(a2a.ErrInvalidRequest, "the body did not come in time"))
		return nil, false
	}
	return bytes.TrimPrefix(body, []byte("\ufeff")), err == nil // else the client is gone
}

// isJSON reports whether the content type is application/json or another that is JSON, as application/a2a+json.
func isJSON(contentType string) bool {
	t, _, err := mime.ParseMediaType(contentType)
	return err == nil && (t == "application/json" || strings.HasSuffix(t, "+json"))
}

// serve serves an operation whose dialect is that of the call.
func (c *call) serve(o operation, params *protojson.Reader) {
	if err := c.extensions(); err != nil {
		c.fail(err)
		return
	}
	c.caller.Version, c.seen.version = c.dialect.version, c.dialect.version
	o.serve(c, params)
}

// version returns the protocol version that the client names in a header or a query parameter (specification 3.6.1), or "" if it
// names none. The patch number doesn't count.
func (c *call) version() (string, error) {
	v := strings.TrimSpace(c.r.Header.Get(a2a.SvcParamVersion))
	if v == "" {
		for name, values := range c.r.URL.Query() {
			if strings.EqualFold(name, a2a.SvcParamVersion) {
				v = theSame(members(values))
			}
		}
	}
	given := v
	if parts := strings.SplitN(v, ".", 3); len(parts) > 2 {
		v = parts[0] + "." + parts[1]
	}
	if v != "" && v != v1.version && v != v03.version {
		return "", a2a.NewError(a2a.ErrVersionNotSupported, "A2A-Version is "+protojson.Echo(given)+", not one of 1.0 and 0.3").
			WithErrorInfoMeta(map[string]string{"supportedVersions": "1.0,0.3"})
	}
	return v, nil
}

// extensions makes those extensions active which the client asks for and the agent has, and says so in the response
// (specification 4.6). It returns an error if the client does without one that the agent requires.
func (c *call) extensions() error {
	header := a2a.SvcParamExtensions
	if len(c.r.Header.Values(header)) == 0 {
		header = legacyExtensions
	}
	var asked []string
	for _, value := range c.r.Header.Values(header) {
		for uri := range strings.SplitSeq(value, ",") {
			if asked = append(asked, strings.TrimSpace(uri)); len(asked) > maxExtensions {
				return a2a.NewError(a2a.ErrInvalidRequest, fmt.Sprintf("%s names more than %d extensions", header, maxExtensions))
			}
		}
	}
	params := c.r.Header.Clone()
	params.Del(legacyExtensions) // the executor has them by their name in 1.0
	c.caller.Params = a2asrv.NewServiceParams(params)
	c.caller.Trace = c.seen.trace
	if len(asked) > 0 {
		c.caller.Params = c.caller.Params.With(map[string][]string{a2a.SvcParamExtensions: asked})
	}
	for _, e := range c.Server.Card.Capabilities.Extensions {
		switch {
		case slices.Contains(asked, e.URI):
			c.caller.Extensions = append(c.caller.Extensions, e.URI)
		case e.Required:
			return a2a.NewError(a2a.ErrExtensionSupportRequired, "the extension "+e.URI+" is required").
				WithErrorInfoMeta(map[string]string{"extension": e.URI})
		}
	}
	if len(c.caller.Extensions) > 0 {
		c.w.Header().Set(header, strings.Join(c.caller.Extensions, ", "))
	}
	return nil
}
