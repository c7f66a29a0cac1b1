package lambdaenv_test

import (
	"context"
	"encoding/json"
	"strings"
	"testing"

	"a2alambda/internal/lambdaenv"
)

func TestWithCheck(t *testing.T) {
	for event, want := range map[string]string{
		lambdaenv.CheckEvent:          "check",
		"{ \"check\": true }\n":       "check",
		`{"check":false}`:             "next",
		`{"check":true,"taskId":"t"}`: "next",
		`{"taskId":"check"}`:          "next",
		`"check"`:                     "next",
		`{"check":true` + strings.Repeat(" ", 100) + `}`: "next",
	} {
		got := ""
		h := lambdaenv.WithCheck(
			func(context.Context) error { got += "check"; return nil },
			func(_ context.Context, passed json.RawMessage) (any, error) {
				got += "next"
				return string(passed), nil
			})
		if answer, err := h(t.Context(), json.RawMessage(event)); got != want || err != nil || want == "next" && answer != event {
			t.Errorf("%s: %s, %v, %v; want %s", event, got, answer, err, want)
		}
	}
}
