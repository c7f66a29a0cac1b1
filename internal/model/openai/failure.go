package openai

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	openai "github.com/sashabaranov/go-openai"

	"a2alambda/internal/model"
)

// maxText is the most bytes of an endpoint's words in an error.
const maxText = 1 << 10

// afterKey is where the context of a call has a *time.Duration, for what a refusal says of the next
// call: the library keeps no headers of it.
type afterKey struct{}

// failure returns the error of a call. begun says that the answer had begun.
func (m *Model) failure(ctx context.Context, err error, begun bool) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	kind, status, text := model.Busy, 0, err.Error() // it was not reached
	var api *openai.APIError
	var request *openai.RequestError
	switch {
	case errors.As(err, &api):
		status, text = api.HTTPStatusCode, api.Message
		kind = kindOf(api)
	case errors.As(err, &request):
		status, text = request.HTTPStatusCode, strings.TrimSpace(string(request.Body))
		kind = kindOfStatus(request.HTTPStatusCode)
	case errors.Is(err, openai.ErrReasoningToolsRequireResponses):
		kind = model.Denied
	}
	if begun && kind != model.TooLong && kind != model.Withheld && (api == nil || kind == model.Refused || kind == model.Denied) {
		kind = model.Broken
	}
	if m.config.Key != "" { // some endpoints repeat it
		text = strings.ReplaceAll(text, m.config.Key, "[key]")
	}
	if len(text) > maxText {
		text = strings.ToValidUTF8(text[:maxText], "") + "…"
	}
	if status != 0 {
		text = fmt.Sprintf("status %d: %s", status, text)
	}
	e := &model.Error{Kind: kind, Err: errors.New("openai: " + text)}
	if after, ok := ctx.Value(afterKey{}).(*time.Duration); ok && kind == model.Busy {
		e.After = *after
	}
	return e
}

func kindOf(err *openai.APIError) model.Kind {
	code, text := fmt.Sprint(err.Code), strings.ToLower(err.Message)
	has := func(words ...string) bool {
		for _, w := range words {
			if strings.Contains(text, w) {
				return true
			}
		}
		return false
	}
	switch {
	case code == "context_length_exceeded" || err.Type == "exceed_context_size_error" ||
		has("maximum context length", "context length", "context window", "context size", "prompt is too long", "too many tokens"):
		return model.TooLong
	case code == "content_filter" || code == "content_policy_violation" || err.InnerError != nil && err.InnerError.Code == "ResponsibleAIPolicyViolation":
		return model.Withheld
	case code == "insufficient_quota" || err.Type == "insufficient_quota":
		return model.Denied
	case code == "rate_limit_exceeded" || code == "server_error" || err.Type == "server_error" || err.Type == "overloaded_error":
		return model.Busy
	}
	status := err.HTTPStatusCode
	if n, ok := err.Code.(int); ok && status == 0 {
		status = n
	}
	if status == 0 {
		return model.Broken
	}
	return kindOfStatus(status)
}

func kindOfStatus(status int) model.Kind {
	switch {
	case status == http.StatusTooManyRequests || status == http.StatusRequestTimeout || status == http.StatusConflict || status == http.StatusTooEarly ||
		status >= http.StatusInternalServerError:
		return model.Busy
	case status == http.StatusRequestEntityTooLarge:
		return model.TooLong
	case status == http.StatusBadRequest || status == http.StatusUnprocessableEntity:
		return model.Refused
	}
	return model.Denied
}
