// Package a2a03 speaks A2A 0.3, in its two dialects: [JSONRPC] and [HTTPJSON].
//
// In JSON-RPC 0.3 has objects of its own, which are read in read.go and written in json.go.
// HTTP+JSON has the version's protocol buffers in JSON instead: their requests are read in
// readproto.go, and the SDK writes the results. All of them are the same tasks and events as in 1.0
// but for two things. 0.3 knows only objects as data: others are wrapped in one (wrap.go). And it
// says of an event whether the stream of a message ends with it. Timestamps are those of 1.0: UTC,
// to the millisecond.
package a2a03
