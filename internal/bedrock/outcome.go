package bedrock

import (
	"errors"
	"fmt"

	"github.com/a2aproject/a2a-go/v2/a2a"
	"github.com/a2aproject/a2a-go/v2/a2asrv"
	"github.com/aws/aws-sdk-go-v2/service/bedrockruntime/types"
	"github.com/aws/smithy-go"

	"a2alambda/internal/run"
)

var errCut = errors.New("bedrock: the stream ended before the answer did")

func (x *Executor) end(ec *a2asrv.ExecutorContext, stop types.StopReason) a2a.Event {
	switch stop {
	case types.StopReasonEndTurn, types.StopReasonStopSequence:
		return a2a.NewStatusUpdateEvent(ec, a2a.TaskStateCompleted, nil)
	case types.StopReasonMaxTokens:
		return status(ec, a2a.TaskStateCompleted, fmt.Sprintf(textCut, x.MaxTokens))
	case types.StopReasonModelContextWindowExceeded:
		return status(ec, a2a.TaskStateCompleted, textFull)
	case types.StopReasonContentFiltered, types.StopReasonGuardrailIntervened:
		return status(ec, a2a.TaskStateRejected, textWithheld)
	default: // it has no tools to use
		return status(ec, a2a.TaskStateFailed, textNoAnswer)
	}
}

func status(ec *a2asrv.ExecutorContext, state a2a.TaskState, text string) a2a.Event {
	return a2a.NewStatusUpdateEvent(ec, state, a2a.NewMessageForTask(a2a.MessageRoleAgent, ec, a2a.NewTextPart(text)))
}

// failure returns the error of a call, with what a client may know of it. begun says that the
// answer had begun.
// https://docs.aws.amazon.com/bedrock/latest/userguide/troubleshooting-api-error-codes.html
func failure(err error, begun bool) error {
	var code string
	if e := smithy.APIError(nil); errors.As(err, &e) {
		code = e.ErrorCode()
	}
	switch code {
	case "ThrottlingException", "ServiceQuotaExceededException", "ServiceUnavailableException", "ModelNotReadyException", "ModelTimeoutException":
		return &run.Failure{Text: textBusy, Err: err}
	case "ValidationException":
		return &run.Failure{Text: textRefused, Err: err}
	}
	if begun {
		return &run.Failure{Text: textBrokenOff, Err: err}
	}
	return err
}
