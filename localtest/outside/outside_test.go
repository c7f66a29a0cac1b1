package main

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"a2alambda/localtest"
)

// TestOutside kills for some seconds, an instance of each kind. More of it is for the command.
func TestOutside(t *testing.T) {
	for name, c := range map[string]config{
		"a stream each": {duration: 8 * time.Second, seed: 1, users: 6},
		"many streams":  {duration: 8 * time.Second, seed: 1, users: 12, concurrency: 64},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var out strings.Builder
			err := run(t.Context(), c, &out)
			t.Log(out.String())
			localtest.Must(t, err)
			if !regexp.MustCompile(`[1-9]\d* instances killed`).MatchString(out.String()) || !strings.Contains(out.String(), ": 0 violations") {
				t.Error("this was no chaos")
			}
		})
	}
}

// fake is an agent with one ended task of six events and three tokens.
type fake struct {
	log    []frame
	answer string
	cut    int // attempts of its model
}

func newFake() *fake {
	f := &fake{answer: token(1, time.UnixMilli(1)) + token(2, time.UnixMilli(2)) + token(3, time.UnixMilli(3))}
	data := []string{
		`{"task":{"id":"t","status":{"state":"TASK_STATE_SUBMITTED"}}}`, `{"statusUpdate":{"status":{"state":"TASK_STATE_WORKING"}}}`,
		`{"artifactUpdate":1}`, `{"artifactUpdate":2}`, `{"artifactUpdate":3}`, `{"statusUpdate":{"status":{"state":"TASK_STATE_COMPLETED"}}}`,
	}
	for i, d := range data {
		f.log = append(f.log, frame{int64(i) + 1, d})
	}
	return f
}

// asOf returns the task as of event n.
func asOf(n int64) frame {
	return frame{n, fmt.Sprintf(`{"task":{"id":"t","status":{"state":"TASK_STATE_WORKING"},"as of":%d}}`, n)}
}

func (f *fake) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if strings.HasSuffix(r.URL.Path, "/steps") {
		fmt.Fprintf(w, `{"steps":[{"name":"round 1/model","state":"failed","attempts":%d}]}`, f.cut)
		return
	}
	last, err := strconv.ParseInt(r.Header.Get("Last-Event-ID"), 10, 64)
	if err != nil {
		fmt.Fprint(w, f.answer)
		return
	}
	w.Header().Set("Content-Type", "text/event-stream")
	frames := f.log
	if last > 0 {
		frames = append([]frame{asOf(last)}, f.log[last:]...)
	}
	for _, e := range frames {
		fmt.Fprintf(w, "id: %d\ndata: %s\n\n", e.id, e.data)
	}
}

// TestCheck has views that are right, and views, logs and answers that are not.
func TestCheck(t *testing.T) {
	for _, test := range []struct {
		name      string
		remembers bool
		change    func(f *fake, v *view)
		want      string // "" for nothing
	}{
		{"whole", true, func(*fake, *view) {}, ""},
		{"cut, and gone on", true, func(f *fake, v *view) { v.cut(3, 3, append([]frame{asOf(3)}, f.log[3:]...)) }, ""},
		{"cut, and joined again", false, func(f *fake, v *view) { v.cut(3, -1, f.log) }, ""},
		{"cut, and subscribed anew", false, func(f *fake, v *view) { v.cut(2, -1, append([]frame{asOf(4)}, f.log[4:]...)) }, ""},
		{"gap", false, func(f *fake, v *view) { v.cut(4, -1, append([]frame{asOf(2)}, f.log[3:]...)) }, "event 4 comes after event 2"},
		{"gap between streams", true, func(f *fake, v *view) { v.cut(2, 4, append([]frame{asOf(4)}, f.log[4:]...)) }, "got event 4 where 3 was due"},
		{"wrong beginning", true, func(f *fake, v *view) { v.cut(3, 3, append([]frame{asOf(4)}, f.log[4:]...)) }, "it begins with event 4"},
		{"double", true, func(f *fake, v *view) { v.cut(3, -1, f.log) }, "got event 1 where 4 was due"},
		{"double in a stream", false, func(f *fake, v *view) { v.sessions[0].frames = append(f.log[:3:3], f.log[2:]...) }, "event 3 comes after event 3"},
		{"order", false, func(f *fake, v *view) {
			v.sessions[0].frames = []frame{f.log[0], f.log[2], f.log[1], f.log[3], f.log[4], f.log[5]}
		}, "event 3 comes after event 1"},
		{"another event", false, func(f *fake, v *view) { v.sessions[0].frames[2].data = f.log[3].data }, "event 3 is"},
		{"another task", false, func(f *fake, v *view) { v.cut(3, -1, append([]frame{{3, asOf(2).data}}, f.log[3:]...)) }, "event 3 is"},
		{"beyond the log", false, func(f *fake, v *view) { v.sessions[0].frames = append(v.sessions[0].frames, frame{7, "x"}) }, "event 7 is not in the log of 6"},
		{"no end", false, func(f *fake, v *view) { v.sessions[0].frames = f.log[:5] }, "has seen event 5 of 6"},
		{"log with a gap", false, func(f *fake, v *view) { f.log[3].id = 5 }, "the log has event 5 where 4 was due"},
		{"log without an end", false, func(f *fake, v *view) { f.log = f.log[:5] }, "event 5 of 5 is"},
		{"token twice", false, func(f *fake, v *view) { f.answer += token(3, time.UnixMilli(4)) }, "token 3 comes where 4 was due"},
		{"token lost", false, func(f *fake, v *view) { v.tokens = 4 }, "the answer has 3 tokens, not 4"},
		{"given up", false, func(f *fake, v *view) { v.tokens, f.cut = 4, 5 }, ""},
		{"given up too early", false, func(f *fake, v *view) { v.tokens, f.cut = 4, 4 }, "the answer has 3 tokens, not 4"},
		{"given up, and a token twice", false, func(f *fake, v *view) {
			f.answer, v.tokens, f.cut = token(1, time.UnixMilli(1))+token(1, time.UnixMilli(1)), 4, 6
		}, "token 1 comes where 2 was due"},
	} {
		t.Run(test.name, func(t *testing.T) {
			f := newFake()
			server := httptest.NewServer(f)
			defer server.Close()
			v := &view{user: &user{remembers: test.remembers}, way: &ways[2], task: "t", tokens: 3,
				sessions: []*session{{after: -1, frames: newFake().log}}}
			test.change(f, v)
			err := (&replays{server.URL}).check(t.Context(), v)
			if test.want == "" && err != nil || test.want != "" && (err == nil || !strings.Contains(err.Error(), test.want)) {
				t.Errorf("got %v, want %q", err, test.want)
			}
		})
	}
}

// cut has the first stream cut after n events, and another one after it.
func (v *view) cut(n int, after int64, frames []frame) {
	v.sessions[0].frames = v.sessions[0].frames[:n]
	v.sessions = append(v.sessions, &session{after: after, frames: frames})
}

// TestHeals has events that end the wait for the next one, and others.
func TestHeals(t *testing.T) {
	at := time.UnixMilli(1_700_000_000_000)
	event := func(d time.Duration) string { return `{"text":"` + token(7, at) + token(8, at.Add(d)) + `"}` }
	h := &hit{request: "a", at: at, gone: at.Add(500 * time.Millisecond)}
	for _, test := range []struct {
		request, event string
		want           bool
	}{
		{"b", event(600 * time.Millisecond), true},
		{"b", event(400 * time.Millisecond), false}, // made before the end
		{"a", event(600 * time.Millisecond), false}, // of the stream that was cut
		{"b", `{"status":{"timestamp":"2023-11-14T22:13:21Z"}}`, true},
		{"b", `{"status":{}}`, false},
	} {
		if got := h.heals(test.request, made(test.event)); got != test.want {
			t.Errorf("%s in %s: %t", test.event, test.request, got)
		}
	}
}

// TestGoal has times that exceed the goal. Only with -goal that is an error.
func TestGoal(t *testing.T) {
	var out strings.Builder
	r := &report{out: &out}
	killed := kind{cut: true, run: true}
	r.times([]*hit{{kind: killed, took: time.Second}, {kind: killed, took: 2 * time.Second}, {kind: killed, took: 7 * time.Second}})
	if !strings.Contains(out.String(), "   3   2.00   7.00   7.00   7.00  exceeds the goal") {
		t.Errorf("got\n%s", &out)
	}
	if err := r.err(false); err != nil {
		t.Error(err)
	}
	if r.err(true) == nil {
		t.Error("with -goal it is no error")
	}
	r.complain("x")
	if r.err(false) == nil {
		t.Error("a violation is no error")
	}
}
