package bedrock

import (
	"context"
	"errors"
	"net/http"
	"strings"

	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/smithy-go"

	"a2alambda/internal/model"
)

// failure returns the error of a call. begun says that the answer had begun.
// https://docs.aws.amazon.com/bedrock/latest/userguide/troubleshooting-api-error-codes.html
func failure(ctx context.Context, err error, begun bool) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	kind := model.Busy // it was not reached
	var api smithy.APIError
	var response *awshttp.ResponseError
	switch {
	case errors.As(err, &api):
		kind = kindOf(api, begun)
		if kind == model.Denied && errors.As(err, &response) && !begun { // of something in between, perhaps
			if s := response.HTTPStatusCode(); s == http.StatusTooManyRequests || s/100 == 5 {
				kind = model.Busy
			}
		}
	case errors.As(err, &response) && response.HTTPStatusCode()/100 == 4:
		kind = model.Denied
	}
	if begun && kind != model.Busy && kind != model.Refused && kind != model.TooLong || errors.Is(err, errCut) || begun && api == nil {
		kind = model.Broken
	}
	e := &model.Error{Kind: kind, Err: err}
	if kind == model.Busy && (response != nil || errors.As(err, &response)) && response.Response != nil {
		e.After = model.RetryAfter(response.Response.Header)
	}
	return e
}

func kindOf(err smithy.APIError, begun bool) model.Kind {
	code := err.ErrorCode()
	if begun && code != "" { // exceptions in a stream begin with a small letter
		code = strings.ToUpper(code[:1]) + code[1:]
	}
	switch code {
	case "ThrottlingException", "ServiceQuotaExceededException", "ServiceUnavailableException", "ModelNotReadyException",
		"ModelTimeoutException":
		return model.Busy
	case "InternalServerException", "ModelErrorException", "ModelStreamErrorException":
		if begun {
			return model.Broken
		}
		return model.Busy
	case "ValidationException":
		text := strings.ToLower(err.ErrorMessage())
		for _, words := range []string{"too long", "too many tokens", "too many input tokens", "context length", "context window", "maximum context"} {
			if strings.Contains(text, words) {
				return model.TooLong
			}
		}
		return model.Refused
	}
	return model.Denied
}
