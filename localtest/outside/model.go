package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"regexp"
	"strconv"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws/protocol/eventstream"
)

const (
	tokenEvery = 100 * time.Millisecond

	// Answers take 5 to 15 seconds.
	shortest = 5 * time.Second
	longest  = 15 * time.Second

	// manyUsers are so many that everything is slower with more.
	manyUsers = 20
)

// token is the text of a token: its number, and when it was made, in milliseconds since 1970.
func token(n int, made time.Time) string { return fmt.Sprintf("[%d@%d]", n, made.UnixMilli()) }

var tokens = regexp.MustCompile(`\[(\d+)@(\d+)\]`)

// order is the format of the question that asks for a number of tokens.
const order = "Say %d tokens"

// model is an emulated Amazon Bedrock, whose model says tokens. If it is shown the beginning of its
// answer, it goes on from there.
// https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_ConverseStream.html
func model(every time.Duration) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("POST /model/{model}/converse-stream", func(w http.ResponseWriter, r *http.Request) { converse(w, r, every) })
	return mux
}

func converse(w http.ResponseWriter, r *http.Request, every time.Duration) {
	var asked struct {
		Messages []struct {
			Role    string
			Content []struct{ Text string }
		}
	}
	if err := json.NewDecoder(r.Body).Decode(&asked); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	n, said := 0, 0
	for _, m := range asked.Messages {
		for _, c := range m.Content {
			if m.Role == "assistant" {
				said += len(tokens.FindAllString(c.Text, -1))
			} else {
				_, _ = fmt.Sscanf(c.Text, order, &n) // other messages ask for none
			}
		}
	}
	w.Header().Set("Content-Type", "application/vnd.amazon.eventstream")
	encoder := eventstream.NewEncoder()
	send := func(event, payload string) {
		_, _ = w.Write(encode(encoder, event, payload)) // a function that has gone is noticed below
		w.(http.Flusher).Flush()
	}
	send("messageStart", `{"role":"assistant"}`)
	for i := said + 1; i <= n; i++ {
		select {
		case <-time.After(every):
		case <-r.Context().Done():
			return
		}
		send("contentBlockDelta", `{"contentBlockIndex":0,"delta":{"text":`+strconv.Quote(token(i, time.Now()))+`}}`)
	}
	send("contentBlockStop", `{"contentBlockIndex":0}`)
	send("messageStop", `{"stopReason":"end_turn"}`)
	send("metadata", `{"usage":{"inputTokens":12,"outputTokens":34,"totalTokens":46},"metrics":{"latencyMs":551}}`)
}

func encode(e *eventstream.Encoder, event, payload string) []byte {
	m := eventstream.Message{Payload: []byte(payload)}
	m.Headers.Set(":event-type", eventstream.StringValue(event))
	m.Headers.Set(":content-type", eventstream.StringValue("application/json"))
	m.Headers.Set(":message-type", eventstream.StringValue("event"))
	var b bytes.Buffer
	if err := e.Encode(&b, m); err != nil {
		panic(err) // a few short headers
	}
	return b.Bytes()
}

var errShort = errors.New("something is missing")

// checkAnswer returns what is wrong with a text that must be the first n tokens.
func checkAnswer(text string, n int) error {
	found := tokens.FindAllStringSubmatch(text, -1)
	for i, t := range found {
		if t[1] != strconv.Itoa(i+1) {
			return fmt.Errorf("token %s comes where %d was due", t[1], i+1)
		}
	}
	if len(found) < n {
		return fmt.Errorf("%w: the answer has %d tokens, not %d", errShort, len(found), n)
	}
	if len(found) > n {
		return fmt.Errorf("the answer has %d tokens, not %d", len(found), n)
	}
	return nil
}

var timestamp = regexp.MustCompile(`"timestamp":"([^"]+)"`)

// made returns when the newest token or status in an event was made, or zero.
func made(event string) (last time.Time) {
	for _, t := range tokens.FindAllStringSubmatch(event, -1) {
		ms, _ := strconv.ParseInt(t[2], 10, 64) // digits
		last = time.UnixMilli(ms)
	}
	for _, t := range timestamp.FindAllStringSubmatch(event, -1) {
		if at, err := time.Parse(time.RFC3339Nano, t[1]); err == nil && at.After(last) {
			last = at
		}
	}
	return last
}
