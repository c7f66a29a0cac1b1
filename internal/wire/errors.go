package wire

import (
	"encoding/json"
	"errors"
	"net/http"

	"github.com/a2aproject/a2a-go/v2/a2a"
)

// codes are the JSON-RPC codes of errors (specification 5.4 and 9.5).
var codes = []struct {
	err  error
	code int
}{
	{a2a.ErrParseError, -32700},
	{a2a.ErrInvalidRequest, -32600},
	{a2a.ErrMethodNotFound, -32601},
	{a2a.ErrInvalidParams, -32602},
	{a2a.ErrTaskNotFound, -32001},
	{a2a.ErrTaskNotCancelable, -32002},
	{a2a.ErrPushNotificationNotSupported, -32003},
	{a2a.ErrUnsupportedOperation, -32004},
	{a2a.ErrUnsupportedContentType, -32005},
	{a2a.ErrInvalidAgentResponse, -32006},
	{a2a.ErrExtendedCardNotConfigured, -32007},
	{a2a.ErrExtensionSupportRequired, -32008},
	{a2a.ErrVersionNotSupported, -32009},
}

// rpcError is a JSON-RPC error object.
type rpcError struct {
	Code    int    `json:"code"`
	Message string `json:"message"`
	Data    any    `json:"data,omitempty"`
}

// newError returns what a client is told of err. Whatever is not the protocol's is an internal error, and stays here.
func (c *call) newError(err error) rpcError {
	for _, known := range codes {
		if !errors.Is(err, known.err) {
			continue
		}
		detailed := a2a.Error{Err: known.err, Message: known.err.Error()}
		if own := (*a2a.Error)(nil); errors.As(err, &own) {
			detailed = *own // a copy: some errors are variables that all requests share
		}
		e := rpcError{Code: known.code, Message: detailed.Error()}
		if c.dialect.detailed {
			detailed.ErrorInfo()
			e.Data = detailed.TypedDetails
		}
		return e
	}
	if !errors.Is(err, a2a.ErrInternalError) {
		c.Logger.ErrorContext(c.r.Context(), "request failed", "error", err)
	}
	return rpcError{Code: -32603, Message: "Internal error"}
}

// fail answers with the error: as the response, or as the last event of a stream that has begun.
func (c *call) fail(err error) { c.failStatus(http.StatusOK, err) }

func (c *call) failStatus(status int, err error) {
	body, _ := json.Marshal(struct {
		JSONRPC string          `json:"jsonrpc"`
		ID      json.RawMessage `json:"id"`
		Error   rpcError        `json:"error"`
	}{"2.0", c.id, c.newError(err)})
	if c.stream != nil {
		c.stream.error(body)
		return
	}
	c.w.Header().Set("Content-Type", "application/json")
	c.w.WriteHeader(status)
	_, _ = c.w.Write(append(body, '\n'))
}
