// Package modeltest has the tests that each provider of a [model.Model] must pass.
package modeltest

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"reflect"
	"strings"
	"testing"
	"time"

	"a2alambda/internal/model"
	"a2alambda/internal/tool"
)

// patience is how long a test waits for an event.
const patience = 30 * time.Second

// Endpoint is the provider's end of a model, which the test plays.
type Endpoint interface {
	Model() model.Model
	// Next waits for a call.
	Next() Call
	// Quiet reports an error if there are calls that the test has not taken.
	Quiet()
	// Tries returns how often a call is made that is refused.
	Tries(kind model.Kind) int
	// Shut has nobody take calls any more.
	Shut()
}

// Call is a call that waits for its answer.
type Call interface {
	// Request returns what the model is asked, with the calls' arguments and schemas compact.
	Request(t *testing.T) model.Request
	Begin()
	Say(text string)
	// Tool begins a call of a tool, and Args sends a piece of its arguments. The calls have indexes
	// from 1.
	Tool(index int, id, name string)
	Args(index int, piece string)
	// End ends the answer, after 12 tokens in and 34 out.
	End(stop model.Stop)
	// Header sets a header of the response that Refuse sends.
	Header(name, value string)
	// Refuse answers with an error before the answer begins. Its text has the credentials of the
	// call, if they are text.
	Refuse(kind model.Kind)
	// Raise ends a stream with an error: model.Busy, TooLong, or Broken for one that nobody knows.
	Raise(kind model.Kind)
	// Cut ends the connection, Close the stream, before the answer has ended. CutInside sends the
	// first half of an event, and cuts.
	Cut()
	Close()
	CutInside()
	// Gone is closed when the caller has gone.
	Gone() <-chan struct{}
}

// outcome is what came of a call.
type outcome struct {
	answer *model.Answer
	err    error
}

// asked is a model that is asked.
type asked struct {
	t    *testing.T
	said chan string
	done chan outcome
}

func ask(t *testing.T, e Endpoint, ctx context.Context, r *model.Request) *asked {
	a := &asked{t, make(chan string, 100), make(chan outcome, 1)}
	m := e.Model()
	go func() {
		answer, err := m.Answer(ctx, r, func(text string) error { a.said <- text; return nil })
		a.done <- outcome{answer, err}
	}()
	return a
}

func (a *asked) hears(want string) {
	a.t.Helper()
	select {
	case got := <-a.said:
		if got != want {
			a.t.Fatalf("heard %q, want %q", got, want)
		}
	case <-time.After(patience):
		a.t.Fatalf("waited in vain for %q", want)
	}
}

func (a *asked) ends() outcome {
	a.t.Helper()
	select {
	case o := <-a.done:
		return o
	case <-time.After(patience):
		a.t.Fatal("the call does not end")
		return outcome{}
	}
}

func (a *asked) answers(want *model.Answer) {
	a.t.Helper()
	if o := a.ends(); o.err != nil || !reflect.DeepEqual(o.answer, want) {
		a.t.Errorf("got %+v, %v, want %+v", o.answer, o.err, want)
	}
}

func (a *asked) fails(kind model.Kind) {
	a.t.Helper()
	o := a.ends()
	var e *model.Error
	if o.answer != nil || !errors.As(o.err, &e) || e.Kind != kind || model.KindOf(o.err.Error()) != kind {
		a.t.Fatalf("got %+v, %v, want the error %q", o.answer, o.err, kind)
	}
	if strings.Contains(o.err.Error(), "sk-") {
		a.t.Errorf("the error has the credentials: %v", o.err)
	}
}

// hello returns a small request.
func hello() *model.Request {
	return &model.Request{Messages: []model.Message{says(model.User, "Hello")}, MaxTokens: 100}
}

func says(role model.Role, text string) model.Message {
	return model.Message{Role: role, Parts: []model.Part{{Text: text}}}
}

var usage = model.Usage{Input: 12, Output: 34}

// Test tests a provider. open opens an endpoint of its own for each test.
func Test(t *testing.T, open func(t *testing.T) Endpoint) {
	t.Run("request", func(t *testing.T) { testRequest(t, open(t)) })
	t.Run("text", func(t *testing.T) { testText(t, open(t)) })
	t.Run("tools", func(t *testing.T) { testTools(t, open(t)) })
	t.Run("stops", func(t *testing.T) { testStops(t, open(t)) })
	t.Run("refused", func(t *testing.T) { testRefused(t, open) })
	t.Run("busy", func(t *testing.T) { testBusy(t, open) })
	t.Run("broken", func(t *testing.T) { testBroken(t, open) })
	t.Run("interrupted", func(t *testing.T) { testInterrupted(t, open) })
	t.Run("unreachable", func(t *testing.T) {
		e := open(t)
		e.Shut()
		ask(t, e, t.Context(), hello()).fails(model.Busy)
	})
	t.Run("many", func(t *testing.T) { // begin at once, on new connections
		e := open(t)
		for range 100 {
			a := ask(t, e, t.Context(), hello())
			c := e.Next()
			c.Begin()
			c.Say("Hi")
			c.Say("!")
			c.End(model.StopEnd)
			a.answers(&model.Answer{Text: "Hi!", Stop: model.StopEnd, Usage: usage})
		}
	})
}

// testRequest checks that the provider is told all of a request.
func testRequest(t *testing.T, e Endpoint) {
	want := model.Request{
		System: "Be brief.",
		Messages: []model.Message{
			says(model.User, "My name is Ada."),
			says(model.Assistant, "Hello, Ada!"),
			says(model.User, "What is 3 times 4, and the weather?"),
			{Role: model.Assistant, Parts: []model.Part{
				{Text: "Let me see."},
				{Call: &model.Call{ID: "c1", Name: "multiply", Args: json.RawMessage(`{"a":3,"b":4.50,"c":12345678901234567890}`)}},
				{Call: &model.Call{ID: "c2", Name: "now", Args: json.RawMessage(`{}`)}},
			}},
			{Role: model.User, Parts: []model.Part{
				{Result: &model.Result{ID: "c1", Text: "12"}},
				{Result: &model.Result{ID: "c2", Text: "it is down", Failed: true}},
			}},
		},
		Tools: []tool.Tool{
			{Name: "multiply", Description: "Multiplies", Schema: json.RawMessage(`{"properties":{"a":{"maximum":1e3,"type":"number"}},"type":"object"}`)},
			{Name: "now", Schema: json.RawMessage(`{"type":"object"}`)},
		},
		MaxTokens: 100,
	}
	a := ask(t, e, t.Context(), &want)
	c := e.Next()
	if got := c.Request(t); !reflect.DeepEqual(got, want) {
		t.Errorf("asked\n%+v\nwant\n%+v", text(got), text(want))
	}
	c.Begin()
	c.End(model.StopEnd)
	a.answers(&model.Answer{Stop: model.StopEnd, Usage: usage})

	a = ask(t, e, t.Context(), &model.Request{Messages: []model.Message{{Role: model.User, Parts: []model.Part{
		{Text: "What is this?"}, {File: &model.File{MediaType: "image/png", Bytes: []byte("PNG")}},
	}}}, MaxTokens: 1})
	c = e.Next()
	got := c.Request(t)
	if len(got.Messages) != 1 || len(got.Messages[0].Parts) != 2 || got.System != "" || got.Tools != nil {
		t.Fatalf("asked %s", text(got))
	}
	if f := got.Messages[0].Parts[1].File; f == nil || f.MediaType != "image/png" || string(f.Bytes) != "PNG" {
		t.Errorf("asked %s", text(got))
	}
	c.Begin()
	c.End(model.StopEnd)
	a.ends()
	for mediaType, want := range map[string]bool{"image/png": true, "image/jpeg": true, "video/mp4": false, "": false, "application/json": false} {
		if got := e.Model().Reads(mediaType); got != want {
			t.Errorf("it reads %q: %t", mediaType, got)
		}
	}
}

func text(v any) string {
	data, err := json.MarshalIndent(v, "", " ")
	if err != nil {
		return err.Error()
	}
	return string(data)
}

// testText checks that each piece is said when it comes.
func testText(t *testing.T, e Endpoint) {
	a := ask(t, e, t.Context(), hello())
	c := e.Next()
	c.Begin()
	c.Say("Hel")
	a.hears("Hel")
	c.Say("")
	c.Say("lo, ")
	a.hears("lo, ")
	c.Say("world 🌍\n")
	a.hears("world 🌍\n")
	c.End(model.StopEnd)
	a.answers(&model.Answer{Text: "Hello, world 🌍\n", Stop: model.StopEnd, Usage: usage})
	if len(a.said) > 0 {
		t.Errorf("heard %q, too", <-a.said)
	}
	e.Quiet()
}

// testTools checks that calls come in pieces, several at once, with arguments of all kinds.
func testTools(t *testing.T, e Endpoint) {
	a := ask(t, e, t.Context(), hello())
	c := e.Next()
	c.Begin()
	c.Say("Let me see.")
	c.Tool(1, "c1", "multiply")
	c.Args(1, `{"a": `)
	c.Args(1, `3, "b": 1234567890`)
	c.Args(1, `1234567890}`)
	c.Tool(2, "c2", "now")
	c.Tool(3, "c3", "multiply")
	c.Args(3, `{"a": `)
	c.Tool(4, "c4", "now")
	c.Args(4, `[1]`)
	c.End(model.StopTools)
	a.answers(&model.Answer{Text: "Let me see.", Stop: model.StopTools, Usage: usage, Calls: []model.Call{
		{ID: "c1", Name: "multiply", Args: json.RawMessage(`{"a":3,"b":12345678901234567890}`)},
		{ID: "c2", Name: "now", Args: json.RawMessage(`{}`)},
		{ID: "c3", Name: "multiply", Args: json.RawMessage(`{}`), Malformed: `{"a": `},
		{ID: "c4", Name: "now", Args: json.RawMessage(`{}`), Malformed: `[1]`},
	}})
}

// testStops checks that a call is not made that an answer was cut off at.
func testStops(t *testing.T, e Endpoint) {
	for _, stop := range []model.Stop{model.StopTokens, model.StopWindow, model.StopFiltered} {
		a := ask(t, e, t.Context(), hello())
		c := e.Next()
		c.Begin()
		c.Say("Hi")
		c.Tool(1, "c1", "multiply")
		c.Args(1, `{}`)
		c.End(stop)
		o := a.ends()
		if o.err != nil || o.answer.Stop != stop || o.answer.Text != "Hi" || o.answer.Calls != nil {
			t.Errorf("%s: got %+v, %v", stop, o.answer, o.err)
		}
	}
}

func testRefused(t *testing.T, open func(t *testing.T) Endpoint) {
	for _, kind := range []model.Kind{model.Busy, model.TooLong, model.Refused, model.Denied} {
		t.Run(string(kind), func(t *testing.T) {
			e := open(t)
			a := ask(t, e, t.Context(), hello())
			for range e.Tries(kind) {
				e.Next().Refuse(kind)
			}
			a.fails(kind)
			e.Quiet()
		})
	}
}

// testBusy checks that a model that is throttled says when to ask again, in all forms.
func testBusy(t *testing.T, open func(t *testing.T) Endpoint) {
	for name, test := range map[string]struct {
		kind        model.Kind
		headers     []string
		least, most time.Duration
	}{
		"not said":          {model.Busy, nil, 0, 0},
		"seconds":           {model.Busy, []string{"Retry-After", "7"}, 7 * time.Second, 7 * time.Second},
		"half seconds":      {model.Busy, []string{"Retry-After", " 0.5 "}, time.Second / 2, time.Second / 2},
		"milliseconds":      {model.Busy, []string{"Retry-After", "2", "retry-after-ms", "1500"}, 1500 * time.Millisecond, 1500 * time.Millisecond},
		"a date":            {model.Busy, []string{"Retry-After", time.Now().Add(5 * time.Hour).UTC().Format(http.TimeFormat)}, 4 * time.Hour, 5 * time.Hour},
		"a date gone by":    {model.Busy, []string{"Retry-After", "Fri, 31 Dec 1999 23:59:59 GMT"}, 0, 0},
		"more than a day":   {model.Busy, []string{"Retry-After", "1e99"}, 24 * time.Hour, 24 * time.Hour},
		"less than nothing": {model.Busy, []string{"Retry-After", "-1", "Retry-After-Ms", "NaN"}, 0, 0},
		"words":             {model.Busy, []string{"Retry-After", "soon"}, 0, 0},
		"denied":            {model.Denied, []string{"Retry-After", "7"}, 0, 0},
	} {
		t.Run(name, func(t *testing.T) {
			e := open(t)
			a := ask(t, e, t.Context(), hello())
			for range e.Tries(test.kind) {
				c := e.Next()
				for i := 0; i < len(test.headers); i += 2 {
					c.Header(test.headers[i], test.headers[i+1])
				}
				c.Refuse(test.kind)
			}
			o := a.ends()
			var failed *model.Error
			if !errors.As(o.err, &failed) || failed.Kind != test.kind || failed.After < test.least || failed.After > test.most {
				t.Errorf("got %v, %+v", o.err, failed)
			}
		})
	}
}

func testBroken(t *testing.T, open func(t *testing.T) Endpoint) {
	for name, test := range map[string]struct {
		how  func(c Call)
		want model.Kind
	}{
		"throttled":       {func(c Call) { c.Raise(model.Busy) }, model.Busy},
		"too long":        {func(c Call) { c.Raise(model.TooLong) }, model.TooLong},
		"a new error":     {func(c Call) { c.Raise(model.Broken) }, model.Broken},
		"cut":             {Call.Cut, model.Broken},
		"cut in an event": {Call.CutInside, model.Broken},
		"ended too early": {Call.Close, model.Broken},
	} {
		t.Run(name, func(t *testing.T) {
			e := open(t)
			a := ask(t, e, t.Context(), hello())
			c := e.Next()
			c.Begin()
			c.Say("Hi")
			a.hears("Hi")
			test.how(c)
			a.fails(test.want)
			e.Quiet() // an answer that has begun is not tried again
		})
	}
}

// testInterrupted checks that the end of the context ends a call at once, even if the model is
// silent, and so does an error of say.
func testInterrupted(t *testing.T, open func(t *testing.T) Endpoint) {
	stop := errors.New("the task is to be canceled")
	for _, begun := range []bool{true, false} {
		e := open(t)
		ctx, cancel := context.WithCancelCause(t.Context())
		a := ask(t, e, ctx, hello())
		c := e.Next()
		if begun {
			c.Begin()
			c.Say("Hi")
			a.hears("Hi")
		}
		cancel(stop)
		if o := a.ends(); o.answer != nil || !errors.Is(o.err, stop) {
			t.Errorf("begun %t: got %+v, %v", begun, o.answer, o.err)
		}
		gone(t, c)
	}
	e := open(t)
	done := make(chan error, 1)
	go func() {
		_, err := e.Model().Answer(t.Context(), hello(), func(string) error { return stop })
		done <- err
	}()
	c := e.Next()
	c.Begin()
	c.Say("Hi")
	select {
	case err := <-done:
		if !errors.Is(err, stop) {
			t.Errorf("got %v", err)
		}
	case <-time.After(patience):
		t.Fatal("the call does not end")
	}
	gone(t, c)
}

func gone(t *testing.T, c Call) {
	t.Helper()
	select {
	case <-c.Gone():
	case <-time.After(patience):
		t.Error("the model goes on")
	}
}
