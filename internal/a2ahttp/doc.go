// Package a2ahttp speaks A2A over HTTP: JSON-RPC, HTTP+JSON and Server-Sent Events, in protocol
// versions 1.0 and 0.3, at the same URL. It gives each request to package server, which knows
// neither HTTP nor versions, and tells the client what comes of it. Nothing here is stored, and
// nothing of one request is kept for the next but the agent's card.
//
// # What a request goes through
//
// Every request passes some wrappers first (see [New]). Headers that have one value are left with
// one, so that a request is the same through a function URL, API Gateway and a plain server
// (headers.go). The request gets an observation, in which the rest of the package notes what the
// line in the log will say, and an account of the memory that it takes (observe.go). Answers get
// the headers that keep them out of caches and let web pages read them (cors.go).
//
// The path decides who serves it (a2ahttp.go): the card and its keys (card.go), the page, or one of
// the two bindings. A binding is a way to put the protocol's operations into HTTP: [rpc] and
// [rest]. All of what is in between is the same for both, in [handler.serve]:
//
//  1. The binding decodes a [request]: who calls (package auth), which operation is meant, in which
//     dialect, and with which params. A dialect is a version in a binding. It reads params and writes
//     results; packages dialect and a2a03 hold the three that there are. The request is whole then,
//     and does not change any more. Where it can't be decoded, the binding returns what it knows so
//     far and an error, because the error's answer depends on it: it repeats a JSON-RPC id, and has
//     the shape of a version.
//  2. The operation decides what answers: a [jsonResponder], or for the two operations that stream a
//     [sseResponder].
//  3. The responder has the operation (operation.go) decode its params and call the server, and
//     writes the result, or the events of the stream as they come.
//  4. Whatever goes wrong, the same responder is asked to fail.
//
// # Failing
//
// What goes wrong is an error until the last moment, and errors.go is the one place that says what
// a client is told of it. It knows the protocol's errors, by errors.Is, and those that HTTP has a
// status for: who is not let in, a body that is too long, no memory. Any other error is an internal
// one. Its text may say something of the system or of others, so it goes to the log, and the client
// learns nothing but that.
//
// Where the error is written is up to the responder. A JSON document is the simple case. A client
// that asks for a stream over JSON-RPC mostly reads nothing but a stream: it gets the error as the
// only event. But what has an HTTP status of its own stays an HTTP error in JSON, because proxies
// and HTTP clients act on it, and over HTTP+JSON every error has one. Once a stream has begun, the
// status is sent, and the error is the last event. A panic anywhere below is an internal error, and
// takes the same way.
//
// # Streams
//
// A stream walks along the log of a task ([server.Stream]). Each event becomes one frame: its
// number in the log as id, so that Last-Event-ID is all that a client needs to go on at any
// instance, and one line of data. All events that are there are sent together, up to a megabyte; a
// stream that is silent for some seconds gets a comment, so that nobody takes it for dead. It ends
// with the task or its turn. If it has to end before, because the invocation does, comments say so
// and when to connect again: they are not an event, so a client's parser never sees them (sse.go).
//
// # Bounds
//
// What a caller sends is bounded before it costs: the body's bytes, then its JSON values and their
// depth, by a scan that decodes nothing, and only then is it decoded (params.go). What an error
// repeats of a request is cut. Where an answer has to be sent in one piece, as through a REST API
// that buffers, its length is bounded too, and the error says how to get the rest.
//
// The behaviour on the wire is text: testdata holds transcripts, which TestTranscripts compares
// byte for byte.
package a2ahttp
