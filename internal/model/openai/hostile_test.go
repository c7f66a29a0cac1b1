package openai_test

import (
	"fmt"
	"strings"
	"testing"

	"a2alambda/internal/model"
	"a2alambda/internal/model/openai"
	"a2alambda/internal/model/openai/openaitest"
)

// hostile asks an endpoint that plays foul.
func hostile(t *testing.T, play func(c *openaitest.Call)) (*model.Answer, error) {
	t.Helper()
	s := openaitest.NewServer(t)
	m := openai.New(openai.Config{URL: s.URL, Key: openaitest.Key, Model: "m"})
	done := make(chan struct{})
	go func() {
		defer close(done)
		play(s.Next())
	}()
	r := &model.Request{Messages: []model.Message{{Role: model.User, Parts: []model.Part{{Text: "Hello"}}}}, MaxTokens: 10}
	a, err := m.Answer(t.Context(), r, func(string) error { return nil })
	<-done
	return a, err
}

// TestKeyAtTheCut: no part of the key is in an error, wherever that is cut off.
func TestKeyAtTheCut(t *testing.T) {
	for before := 1024 - len(openaitest.Key); before <= 1024; before += 6 {
		_, err := hostile(t, func(c *openaitest.Call) {
			c.RefuseAs(422, `{"error":{"message":"`+strings.Repeat("x", before)+openaitest.Key+`"}}`)
		})
		if err == nil || strings.Contains(err.Error(), openaitest.Key[:6]) {
			t.Errorf("after %d bytes: %v", before, err)
		}
	}
}

// TestFlood: an answer without an end, or with calls without end, is bounded.
func TestFlood(t *testing.T) {
	t.Run("text", func(t *testing.T) {
		_, err := hostile(t, func(c *openaitest.Call) {
			for range 40 {
				c.Delta(map[string]any{"content": strings.Repeat("x", 512<<10)})
			}
			c.End("stop")
		})
		if err == nil || model.KindOf(err.Error()) != model.Denied {
			t.Errorf("got %.100v", err)
		}
	})
	t.Run("arguments", func(t *testing.T) {
		_, err := hostile(t, func(c *openaitest.Call) {
			for range 40 {
				c.Delta(map[string]any{"tool_calls": []any{map[string]any{"index": 0, "function": map[string]any{"arguments": strings.Repeat(" ", 512<<10)}}}})
			}
			c.End("tool_calls")
		})
		if err == nil || model.KindOf(err.Error()) != model.Denied {
			t.Errorf("got %.100v", err)
		}
	})
	t.Run("calls", func(t *testing.T) {
		a, err := hostile(t, func(c *openaitest.Call) {
			for i := range 20 {
				var calls []any
				for j := range 1000 {
					calls = append(calls, map[string]any{"index": 1000*i + j, "id": fmt.Sprint("c", 1000*i+j), "function": map[string]any{"name": "read", "arguments": "{}"}})
				}
				c.Delta(map[string]any{"tool_calls": calls})
			}
			c.End("tool_calls")
		})
		if err != nil || len(a.Calls) > 256 || a.Calls[255].ID != "c255" {
			t.Errorf("%v, %d calls", err, len(a.Calls))
		}
	})
}

// TestOddUsage: whatever an endpoint says of the tokens, the answer is whole.
func TestOddUsage(t *testing.T) {
	for said, want := range map[string]model.Usage{
		`{"prompt_tokens":5.0,"completion_tokens":7.2}`: {Input: 5, Output: 7}, `{"prompt_tokens":-5,"completion_tokens":-7}`: {},
		`{"prompt_tokens":1e30,"completion_tokens":7}`: {Input: 1 << 40, Output: 7}, `{"prompt_tokens":"many"}`: {}, `[]`: {}, `null`: {}, `7`: {},
		`{"prompt_tokens":5,"completion_tokens":7,"prompt_tokens_details":[1]}`: {Input: 5, Output: 7},
	} {
		a, err := hostile(t, func(c *openaitest.Call) {
			c.Say("Hi")
			c.Line(`data: {"choices":[{"index":0,"delta":{},"finish_reason":"stop"}],"usage":` + said + "}\n\n")
			c.Line("data: [DONE]\n\n")
			c.Close()
		})
		if err != nil || a.Text != "Hi" || a.Usage != want {
			t.Errorf("%s: got %+v, %v", said, a, err)
		}
	}
}
