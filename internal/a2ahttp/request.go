package a2ahttp

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"os"
	"slices"
	"strings"

	"github.com/a2aproject/a2a-go/v2/a2a"
	"github.com/a2aproject/a2a-go/v2/a2asrv"

	"a2alambda/internal/a2a03"
	"a2alambda/internal/dialect"
	"a2alambda/internal/memory"
	"a2alambda/internal/protojson"
	"a2alambda/internal/server"
)

// request is a decoded request. It does not change after its binding has made it.
type request struct {
	binding binding // has what an answer repeats, such as a JSON-RPC id
	dialect *dialect.Dialect
	// operation is the operation's name in 1.0.
	operation string
	caller    server.Caller
	// params are JSON-RPC's, or, over HTTP+JSON, what they would be there.
	params *protojson.Reader
	// notification says that the client wants no answer: see [notified].
	notification bool
}

// binding is a way to put operations into HTTP: specification 1.0, 9 and 11.
type binding interface {
	// name returns what the agent card calls the binding.
	name() string
	// decode returns the request. With an error it returns what it knows by then, since the answer
	// depends on it: the operation may be "", and the dialect is 1.0 unless something else is
	// known.
	decode(h *handler, r *http.Request) (request, error)
	// result returns the content type of a result, and what surrounds its JSON, also in a stream.
	result(*dialect.Dialect) (contentType, before, after string)
	// failure returns how to answer with an error: the status of a response, 200 if HTTP has none
	// for the error; the field before the data of a stream's event; and the body, or the data.
	failure(*dialect.Dialect, failure) (status int, field string, body any)
}

const (
	// maxExtensions is how many extensions a request may name: a local server reads 1 MB of
	// headers.
	maxExtensions = 100

	// extensions03 is what 0.3 calls A2A-Extensions.
	extensions03 = "X-A2A-Extensions"

	// bodyMemory is about how many bytes of memory a request takes for each byte of its body: as it
	// came, decoded, encoded for the log, and read again.
	bodyMemory = 12
)

// errGone says that the client left before its whole request had come.
var errGone = errors.New("the client has gone")

// readRequest authenticates the caller, and returns its name and the request's body.
func (h *handler) readRequest(r *http.Request) (owner string, body []byte, err error) {
	if owner, err = h.Auth.Authenticate(r); err != nil {
		return "", nil, err
	}
	refuse := func(status int, header, value, text string) (string, []byte, error) {
		return "", nil, &httpError{a2a.NewError(a2a.ErrInvalidRequest, text), status, header, value}
	}
	if t := r.Header.Get("Content-Type"); t != "" && !isJSON(t) && r.Method == http.MethodPost {
		return refuse(http.StatusUnsupportedMediaType, "", "", "Content-Type must be application/json")
	}
	if coding := strings.TrimSpace(r.Header.Get("Content-Encoding")); coding != "" && !strings.EqualFold(coding, "identity") {
		return refuse(http.StatusUnsupportedMediaType, "Accept-Encoding", "identity", // RFC 9110, 12.5.3
			"Content-Encoding is "+protojson.Echo(coding)+": a body must not be compressed")
	}
	err = chargeBody(r, r.ContentLength)
	memory.Admitted(r.Context())
	if err != nil {
		return "", nil, err
	}
	var from io.Reader = r.Body
	if r.ContentLength < 0 {
		from = &unknown{r: r}
	}
	whole := bytes.NewBuffer(make([]byte, 0, bytes.MinRead+min(max(0, r.ContentLength), maxBody)))
	_, err = whole.ReadFrom(http.MaxBytesReader(nil, io.NopCloser(from), maxBody))
	body, r.Body = whole.Bytes(), http.NoBody // what it came in is not kept
	tooBig := (*http.MaxBytesError)(nil)
	switch {
	case errors.As(err, &tooBig):
		return refuse(http.StatusRequestEntityTooLarge, "", "", "the body is longer than 6 MB")
	case errors.Is(err, os.ErrDeadlineExceeded):
		return refuse(http.StatusRequestTimeout, "", "", "the body did not come in time")
	case errors.Is(err, memory.ErrFull):
		return "", nil, err
	case err != nil:
		return "", nil, errGone
	}
	return owner, bytes.TrimPrefix(body, []byte("\ufeff")), nil
}

// chargeBody charges the memory for so many bytes of a body.
func chargeBody(r *http.Request, n int64) error {
	return memory.Charge(r.Context(), "body", bodyMemory*min(max(0, n), maxBody))
}

// unknown reads a body of unknown length, and charges the memory for each piece before it reads it.
type unknown struct {
	r       *http.Request
	read    int64
	charged int64
}

// pieceOfBody is how many bytes of a body of unknown length are charged at once.
const pieceOfBody = 64 << 10

func (u *unknown) Read(p []byte) (int, error) {
	if u.read == u.charged {
		if err := chargeBody(u.r, u.charged+pieceOfBody); err != nil {
			return 0, err
		}
		u.charged += pieceOfBody
	}
	n, err := u.r.Body.Read(p[:min(int64(len(p)), u.charged-u.read)])
	u.read += int64(n)
	return n, err
}

// isJSON reports whether the content type is JSON: application/json, or another such as
// application/a2a+json.
func isJSON(contentType string) bool {
	t, _, err := mime.ParseMediaType(contentType)
	return err == nil && (t == "application/json" || strings.HasSuffix(t, "+json"))
}

// versionOf returns the protocol version that the client names in a header or a query parameter
// (specification 3.6.1), or "" if it names none. A patch number is ignored.
func versionOf(r *http.Request) (string, error) {
	v := strings.TrimSpace(r.Header.Get(a2a.SvcParamVersion))
	if v == "" {
		for name, values := range r.URL.Query() {
			if strings.EqualFold(name, a2a.SvcParamVersion) {
				v = joined(listed(values))
			}
		}
	}
	given := v
	if parts := strings.SplitN(v, ".", 3); len(parts) > 2 {
		v = parts[0] + "." + parts[1]
	}
	if v != "" && v != dialect.V1.Version && v != a2a03.JSONRPC.Version {
		return "", a2a.NewError(a2a.ErrVersionNotSupported, "A2A-Version is "+protojson.Echo(given)+", not one of 1.0 and 0.3").
			WithErrorInfoMeta(map[string]string{"supportedVersions": "1.0,0.3"})
	}
	return v, nil
}

// extensionsHeader returns the header in which the client names extensions, and in which the answer
// names the active ones.
func extensionsHeader(r *http.Request) string {
	if len(r.Header.Values(a2a.SvcParamExtensions)) == 0 {
		return extensions03
	}
	return a2a.SvcParamExtensions
}

// newCaller returns the caller as the server knows it. The extensions that the client names and the
// agent has become active (specification 4.6). It is an error not to name an extension that the
// agent requires.
func (h *handler) newCaller(r *http.Request, owner, version string) (server.Caller, error) {
	header := extensionsHeader(r)
	var asked []string
	for _, value := range r.Header.Values(header) {
		for uri := range strings.SplitSeq(value, ",") {
			if asked = append(asked, strings.TrimSpace(uri)); len(asked) > maxExtensions {
				return server.Caller{}, a2a.NewError(a2a.ErrInvalidRequest, fmt.Sprintf("%s names more than %d extensions", header, maxExtensions))
			}
		}
	}
	headers := r.Header.Clone()
	headers.Del(extensions03) // the executor gets them under 1.0's name
	c := server.Caller{Owner: owner, Version: version, Params: a2asrv.NewServiceParams(headers), Trace: observationOf(r).trace}
	if len(asked) > 0 {
		c.Params = c.Params.With(map[string][]string{a2a.SvcParamExtensions: asked})
	}
	for _, e := range h.Server.Card.Capabilities.Extensions {
		switch {
		case slices.Contains(asked, e.URI):
			c.Extensions = append(c.Extensions, e.URI)
		case e.Required:
			return server.Caller{}, a2a.NewError(a2a.ErrExtensionSupportRequired, "the extension "+e.URI+" is required").
				WithErrorInfoMeta(map[string]string{"extension": e.URI})
		}
	}
	return c, nil
}
