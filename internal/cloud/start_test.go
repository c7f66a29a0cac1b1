package cloud

import (
	"context"
	"encoding/json"
	"testing"
)

// TestCheckEvent tells the event of a deployment from others, also where a service between has written the JSON anew.
func TestCheckEvent(t *testing.T) {
	for event, want := range map[string]string{
		CheckEvent:                  "check",
		"{\n  \"check\": true\n}\n": "check",
		`{"check":false}`:           "next",
		`{"check":true,"more":1}`:   "next",
		`{"taskId":"1"}`:            "next",
		`[]`:                        "next",
		``:                          "next",
	} {
		got := ""
		handler := WithCheck(
			func(context.Context) error { got = "check"; return nil },
			func(context.Context, json.RawMessage) (any, error) { got = "next"; return nil, nil },
		)
		if _, err := handler(t.Context(), json.RawMessage(event)); err != nil || got != want {
			t.Errorf("%q: %s, %v, want %s", event, got, err, want)
		}
	}
}
