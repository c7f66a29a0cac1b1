// Package a2ahttp speaks A2A over HTTP: JSON-RPC, HTTP+JSON and Server-Sent Events, in protocol
// versions 1.0 and 0.3, at the same URL. It gives each request to package server, which knows
// neither HTTP nor versions, and answers the client. It stores nothing. From one request to the
// next it keeps the agent's card, and nothing else.
//
// # What a request goes through
//
// Every request passes some wrappers first (see [New]). Some headers have one value: of several,
// one is left, so that a request is the same through a function URL, API Gateway and a plain server
// (headers.go). The request gets an observation, in which the rest of the package notes what the
// line in the log will say, and an account of the memory that it takes (observe.go). Answers get
// the headers that keep them out of caches and let web pages read them (cors.go).
//
// The path decides who serves it (a2ahttp.go): the card and its keys (card.go), the page, or one of
// the two bindings. A binding is a way to put the protocol's operations into HTTP: [rpc] and
// [rest]. The steps are the same for both, in [handler.serve]:
//
//  1. The binding decodes a [request]: who calls (package auth), which operation is meant, in which
//     dialect, and with which params. A dialect is a version in a binding: it reads params and
//     writes results. Packages dialect and a2a03 have the three dialects. The request does not
//     change any more. If it can't be decoded, the binding returns an error and what it knows so
//     far, because the answer depends on that: it repeats a JSON-RPC id, and has a version's shape.
//  2. The operation decides what answers: a [jsonResponder], or an [sseResponder] for the two
//     operations that stream.
//  3. The responder has the operation (operation.go) decode its params and call the server, and
//     writes the result, or the events of the stream as they come.
//  4. Whatever goes wrong, the same responder is asked to fail.
//
// # Failing
//
// What goes wrong is an error until the last moment. Only errors.go decides what a client learns of
// it. It knows, by errors.Is, the protocol's errors and the errors that HTTP has a status for: the
// caller is not let in, the body is too long, memory is short. Any other error is an internal one.
// Its text may describe the system or other callers, so it goes to the log, and the client learns
// only that there was an internal error.
//
// The responder decides where to write the error. A JSON document is the simple case. A client that
// asks for a stream over JSON-RPC mostly reads nothing but a stream: it gets the error as the only
// event. But an error with an HTTP status of its own stays an HTTP error in JSON, because proxies
// and HTTP clients act on the status; over HTTP+JSON every error has one. Once a stream has begun,
// its status is sent, and the error is the last event. A panic anywhere below is an internal error,
// and takes the same way.
//
// # Streams
//
// A stream follows the log of a task ([server.Stream]). Each event becomes one frame: its number in
// the log as id, and one line of data. With that id as Last-Event-ID, a client goes on at any
// instance. All events that are there are sent together, up to a megabyte. A stream that is silent
// for some seconds gets a comment, so that nobody takes it for dead. It ends with the task or its
// turn. If the invocation ends before that, comments say so and when to connect again. Comments are
// not events, so a client's parser does not see them (sse.go).
//
// # Bounds
//
// What a caller sends is bounded before it costs: first the bytes of the body, then its JSON values
// and their depth, by a scan that decodes nothing. Only then is it decoded (params.go). An error
// repeats only the beginning of what came. Where an answer has to be sent in one piece, as through
// a REST API that buffers, its length is bounded too, and the error says how to get the rest.
//
// The behaviour on the wire is text: testdata holds transcripts, which TestTranscripts compares
// byte for byte.
package a2ahttp
