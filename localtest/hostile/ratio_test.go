package hostile_test

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"net/http/httputil"
	"strings"
	"sync"
	"testing"

	"a2alambda/localtest"
	"a2alambda/localtest/client"
)

// TestPushRatio has a caller make the deployment send as much to webhooks as it can: a message of
// 4 MB, as many configurations as a task may have, in both versions, which it deletes and puts
// again, and a hundred follow-ups without content. A receiver counts what comes out, and compares it
// with what went in.
func TestPushRatio(t *testing.T) {
	t.Parallel() // with TestHungUp, which waits
	s := newSystem(t, "a2alambda/functions/agent", "a2alambda/functions/worker")
	for _, agrees := range []bool{true, false} {
		for _, message := range []int{0, 400_000, 4_000_000} {
			t.Run(fmt.Sprintf("agrees=%v/message of %d bytes", agrees, message), func(t *testing.T) { s.ratio(t, agrees, message) })
		}
	}
}

func (s *system) ratio(t *testing.T, agrees bool, bytesOfMessage int) {
	var mu sync.Mutex
	var in, out, own int64
	requests, most := 0, 0
	asked := map[string]bool{} // the URLs that have had a request
	receiver := client.Receiver(t, func(w http.ResponseWriter, r *http.Request) {
		head, err := httputil.DumpRequest(r, false)
		body, readErr := io.ReadAll(r.Body)
		mu.Lock()
		defer mu.Unlock()
		if err != nil || readErr != nil {
			t.Error(err, readErr)
		}
		out += int64(len(head) + len(body))
		own += int64(bytes.Count(body, []byte("~"))) // what only the caller says
		requests, most = requests+1, max(most, len(body))
		if url := r.URL.String(); !asked[url] || !agrees {
			if asked[url] = true; len(body) > 4<<10 {
				t.Errorf("the first request to %s has %d bytes", url, len(body))
			}
		}
		if !agrees {
			w.WriteHeader(http.StatusNotFound)
		}
	})
	call := func(method, params string) answer {
		t.Helper()
		in += int64(len(client.Request(method, params)))
		a := s.rpc(t, method, params)
		if a.error() != "" {
			t.Fatal(a)
		}
		return a
	}
	first := message("", `[{"data":{"k":"`+strings.Repeat("~", bytesOfMessage)+`"}}]`, "") // the demo agent asks for a text then
	task := taskIn(t, call("SendMessage", `{"configuration":{"taskPushNotificationConfig":{"id":"c1","url":"`+receiver+`/0"}},"message":`+first+`}`))
	localtest.Must(t, s.wakePush(streamed(t, []string{task})))
	puts := 0
	put := func() {
		for i := range 5 {
			puts++
			config := fmt.Sprintf(`{"id":"c%d","url":"%s/%d","token":"%s"}`, i, receiver, puts, strings.Repeat("t", 100))
			if i%2 == 0 {
				call("tasks/pushNotificationConfig/set", `{"taskId":"`+task+`","pushNotificationConfig":`+config+`}`)
			} else {
				call("CreateTaskPushNotificationConfig", strings.Replace(config, "{", `{"taskId":"`+task+`",`, 1))
			}
		}
	}
	put()
	for i := range 100 {
		if i%20 == 19 {
			for n := range 5 {
				call("DeleteTaskPushNotificationConfig", fmt.Sprintf(`{"taskId":"%s","id":"c%d"}`, task, n))
			}
			put()
		}
		if i%2 == 0 {
			call("SendMessage", `{"configuration":{"historyLength":0},"message":`+message(task, noText, "")+`}`)
		} else {
			call("message/send", `{"configuration":{"historyLength":0},"message":`+message03(task, parts03(noText), "")+`}`)
		}
		localtest.Must(t, s.wakePush(streamed(t, []string{task})))
	}
	mu.Lock()
	defer mu.Unlock()
	room := max(64<<10, 10*in)
	t.Logf("%d bytes in; %d requests of %d bytes out (×%.1f), %d of them the caller's own (×%.1f); the longest body has %d",
		in, requests, out, float64(out)/float64(in), own, float64(own)/float64(in), most)
	if own > room {
		t.Errorf("%d bytes of the caller's own content went out, want %d at most", own, room)
	}
	if !agrees && out > room {
		t.Errorf("%d bytes went out to webhooks that have not agreed, want %d at most", out, room)
	}
	if agrees && requests < 300 || requests == 0 {
		t.Errorf("%d requests", requests)
	}
	if agrees && own < int64(bytesOfMessage) {
		t.Errorf("the message went out %d times", own/int64(bytesOfMessage))
	}
}
