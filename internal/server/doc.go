// Package server implements the operations of A2A, over a store of tasks and runs of an executor.
// It knows no HTTP and no protocol version: it speaks the SDK's types, and its errors are the
// SDK's, told apart with errors.Is. Package a2ahttp is what clients talk to.
//
// Any instance may get any request about any task, may be frozen once it has answered, and may die
// at any moment. So a server remembers nothing between requests. What it knows of a task is in the
// task's log (package tasklog); what it does with one, it does as the holder of the task's lease.
//
// # Accepting a message
//
// SendMessage and SendStreamingMessage begin alike (accept.go). The message is checked (check.go):
// what is refused has left nothing behind. A message without a task creates one, whose id follows
// from the caller, the message's id and its content (ids.go): the same message, sent again, finds
// the task that it has begun, and joins it. A message with a task begins the task's next turn, if
// the task waits for one (follow_up.go); here, too, a message that is in the log already joins.
// Either way, the message is in the log before anything is done about it, and a client that has got
// no answer can always send it again.
//
// An accepted turn has a lease, with which this invocation runs it (package run). If the client
// does not want to wait, the lease is nobody's, and a worker is asked for.
//
// # Answering
//
// A message that is sent without a stream is answered when its turn has reached a final state: the
// run here knows, or a follower reads it from the log. A stream (stream.go) shows the task first,
// cut to what clients can read in one line (frame.go), and then the events: live from the run, if
// it is in this process, or from the log, which a follower polls. If the run is superseded, its
// stream follows the log from there, and its client notices nothing. Before its invocation ends, a
// stream says that the task goes on, and the client resumes it, at whatever instance, after the
// last event that it has seen.
//
// A request to cancel (cancel.go) is put into the task's lease, where its holder finds it; if there
// is no holder, this invocation runs the cancellation itself. Lists (list.go) come from an index
// that may lag behind the logs. Push notification configurations (push.go) are kept in a store of
// their own; package webhook delivers.
//
// Whoever reads an unfinished task that nobody works on any more has it resumed. So the task of a
// crashed holder is found by its client's next request; a sweeper finds the others.
//
// # Whose a task is
//
// A task belongs to a [Caller] and a tenant. To all others it is the same as a task that never was:
// the error is the same, and so is what it costs, since the id says whose it is (see load and
// ids.go).
package server
