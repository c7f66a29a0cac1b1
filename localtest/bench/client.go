package main

import (
	"bufio"
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"a2alambda/localtest/bench/internal/load"
)

// client keeps enough connections for all streams that run at once.
var client = &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 100, DisableCompression: true}}

// timing is how long a stream took, from the request on.
type timing struct {
	first, whole time.Duration
	bytes        int64
}

// frame is one event of a stream.
type frame struct {
	id   string // "" where the system has none
	data []byte // valid until the next frame
	at   time.Time
}

// task reports whether the frame is a whole task, which repeats what earlier frames have brought.
func (f frame) task() bool { return bytes.Contains(f.data, []byte(`"task":{`)) }

// stream sends an order and reads the stream to its end, which must bring all events. Each frame is passed to seen, if set.
func (r *running) stream(ctx context.Context, o load.Order, seen func(frame)) (timing, error) {
	n, last := 0, ""
	t, err := r.open(ctx, r.send(o), "", func(f frame) {
		if n++; n == o.Count() {
			last = string(f.data)
		}
		if seen != nil {
			seen(f)
		}
	})
	if err == nil && (n != o.Count() || !strings.Contains(strings.ToLower(last), "completed")) {
		err = fmt.Errorf("order %v got %d events, the last being %s", o, n, last)
	}
	return t, err
}

// send returns the request that streams an order.
func (r *running) send(o load.Order) string {
	text, _ := json.Marshal(o.String())
	if r.legacy {
		return fmt.Sprintf(`{"jsonrpc":"2.0","id":1,"method":"message/stream","params":{"message":`+
			`{"role":"user","messageId":%q,"parts":[{"kind":"text","text":%s}]}}}`, rand.Text(), text)
	}
	return fmt.Sprintf(`{"jsonrpc":"2.0","id":1,"method":"SendStreamingMessage","params":{"message":`+
		`{"role":"ROLE_USER","messageId":%q,"parts":[{"text":%s}]}}}`, rand.Text(), text)
}

// open sends a request and reads the answering stream to its end, or to an error. lastEventID may be "".
func (r *running) open(ctx context.Context, body, lastEventID string, seen func(frame)) (t timing, err error) {
	req, err := r.request(ctx, body)
	if err != nil {
		return t, err
	}
	if lastEventID != "" {
		req.Header.Set("Last-Event-ID", lastEventID)
	}
	begin := time.Now()
	resp, err := client.Do(req)
	if err != nil {
		return t, err
	}
	defer resp.Body.Close()
	if kind := resp.Header.Get("Content-Type"); !strings.HasPrefix(kind, "text/event-stream") {
		text, _ := io.ReadAll(io.LimitReader(resp.Body, 1000))
		return t, fmt.Errorf("answered with %s, %s: %s", resp.Status, kind, text)
	}
	in := bufio.NewReaderSize(resp.Body, 1<<20)
	id := ""
	for {
		line, err := in.ReadSlice('\n')
		if t.first == 0 && len(line) > 0 {
			t.first = time.Since(begin)
		}
		t.bytes += int64(len(line))
		if value, found := bytes.CutPrefix(line, []byte("id: ")); found {
			id = string(bytes.TrimSpace(value))
		}
		if value, found := bytes.CutPrefix(line, []byte("data: ")); found {
			seen(frame{id, bytes.TrimSpace(value), time.Now()})
		}
		if err == io.EOF {
			t.whole = time.Since(begin)
			return t, nil
		}
		if err != nil {
			return t, err
		}
	}
}

// call sends a request that is answered in one piece, and returns the answer.
func (r *running) call(ctx context.Context, body string) (string, error) {
	req, err := r.request(ctx, body)
	if err != nil {
		return "", err
	}
	resp, err := client.Do(req)
	if err != nil {
		return "", err
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(resp.Body)
	return string(answer), err
}

func (r *running) request(ctx context.Context, body string) (*http.Request, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, r.url, strings.NewReader(body))
	if err != nil {
		return nil, err
	}
	req.Header.Set("Content-Type", "application/json")
	if !r.legacy {
		req.Header.Set("A2A-Version", "1.0")
	}
	return req, nil
}
