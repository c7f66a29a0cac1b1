// Package trace carries the trace of a request, as its client names it:
// https://www.w3.org/TR/trace-context/
//
// This system makes no spans. It passes the trace on unchanged, as the recommendation says for
// systems that take no part in it. OpenTelemetry's propagator would do the same, with a context and a
// global of its own, and the rest of that module.
package trace

import (
	"net/http"
	"strings"
)

// The names of the headers, in lower case.
const (
	ParentHeader = "traceparent"
	StateHeader  = "tracestate"
)

// maxState is how many bytes of tracestate are passed on: what the recommendation (3.3.1.5) asks
// for at least, and here the limit.
const maxState = 512

// maxRest is how many bytes a later version may have after the flags and a dash.
const maxRest = 128

// Trace is a request's place in a trace. The zero value is for a request without one.
type Trace struct {
	Parent string // a valid header traceparent, or ""
	State  string // the header tracestate, or ""; "" without Parent
}

const (
	zeroTrace = "00000000000000000000000000000000"
	zeroSpan  = "0000000000000000"
)

// FromHeader returns the trace of a request. Invalid headers are ignored.
func FromHeader(h http.Header) Trace {
	p := h.Get(ParentHeader)
	if len(h.Values(ParentHeader)) != 1 || !valid(p) {
		return Trace{}
	}
	state := strings.Join(h.Values(StateHeader), ",")
	if len(state) > maxState || strings.ContainsFunc(state, func(r rune) bool { return r != '\t' && (r < ' ' || r > '~') }) {
		state = ""
	}
	return Trace{p, state}
}

// valid reports whether p is a traceparent: of version 00, or of a later one, which may go on after
// the flags. Ids of zeros are not valid. (A regular expression would take as long to compile as all
// else before main.)
func valid(p string) bool {
	const length = len("00-" + zeroTrace + "-" + zeroSpan + "-00")
	if len(p) < length {
		return false
	}
	for i, c := range []byte(p[:length]) {
		if i == 2 || i == 35 || i == 52 {
			if c != '-' {
				return false
			}
		} else if !strings.ContainsRune("0123456789abcdef", rune(c)) {
			return false
		}
	}
	version, rest := p[:2], p[length:]
	if version == "ff" || p[3:35] == zeroTrace || p[36:52] == zeroSpan {
		return false
	}
	return rest == "" || version != "00" && rest[0] == '-' && len(rest) <= 1+maxRest &&
		!strings.ContainsFunc(rest, func(r rune) bool { return r < '!' || r > '~' })
}

// ID returns the trace id, 32 hexadecimal digits, or "".
func (t Trace) ID() string {
	if t.Parent == "" {
		return ""
	}
	return t.Parent[3:35]
}

// Header returns the headers to pass the trace on, with names in lower case.
func (t Trace) Header() map[string][]string {
	h := map[string][]string{}
	if t.Parent != "" {
		h[ParentHeader] = []string{t.Parent}
	}
	if t.State != "" {
		h[StateHeader] = []string{t.State}
	}
	return h
}

// String returns the trace in one line, for [Parse].
func (t Trace) String() string { return strings.TrimSuffix(t.Parent+" "+t.State, " ") }

// Parse is the inverse of String.
func Parse(s string) Trace {
	p, state, _ := strings.Cut(s, " ")
	return Trace{p, state}
}
