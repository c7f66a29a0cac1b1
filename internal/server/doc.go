// Package server implements the operations of A2A, over a store of tasks and runs of an executor.
// It knows no HTTP and no protocol version: it uses the SDK's types and errors. Package a2ahttp
// connects it to clients.
//
// Any instance may get any request about any task. It may be frozen once it has answered, and may
// die at any moment. So a server remembers nothing between requests. It learns about a task from
// the task's log (package tasklog), and changes a task as the holder of its lease.
//
// # Accepting a message
//
// SendMessage and SendStreamingMessage begin alike (accept.go). The message is checked (check.go);
// a refused message leaves nothing behind. A message without a task creates a task. Its id follows
// from the caller, the message's id and its content (ids.go), so the same message, sent again,
// finds the task that it has begun, and joins it. A message with a task begins the next turn, if
// the task waits for one (follow_up.go), and joins if it is in the log already. In both cases the
// message is in the log before anything else happens. A client without an answer can always send it
// again.
//
// The invocation has the lease of an accepted turn, and runs it (package run). If the client does
// not want to wait, nobody has the lease, and the server asks for a worker.
//
// # Answering
//
// A message that is sent without a stream is answered when its turn has reached a final state: the
// run in this process knows, or a follower reads it from the log. A stream (stream.go) first shows
// the task, cut to what clients can read in one line (frame.go), and then the events. They come
// from the run, if this invocation has it, or from a follower. All followers of a task in a process
// share one reading of its log, and get the events of a run in the same process from that run
// ([tasklog.Followers]). A task that waits for its client is followed for a minute, and any task by
// eight instances at most besides the one that runs it: on Lambda nobody learns that a client has
// gone. If more come, the oldest ends its streams early, and answers whoever waits in it with the
// task as it is. If the run is superseded, its stream follows the log from there, and the
// client notices nothing. Before its invocation ends, a stream says that the task goes on. The
// client resumes it, at any instance, after the last event that it has seen. What the server then
// reads does not grow with the events before.
//
// A request to cancel (cancel.go) goes into the task's lease, where the holder finds it. A run in
// this process learns it at once. If there is no holder, this invocation runs the cancellation
// itself. Lists (list.go) come from an index that may lag behind the logs, and what a page reads is
// bounded. Push notification configurations (push.go) have a store of their own; package webhook
// delivers.
//
// Whoever reads an unfinished task that nobody runs asks for a worker to resume it. So the next
// request of its client finds a task whose holder has crashed. The sweeper finds the others.
//
// # The end of the process
//
// A process that is asked to end accepts nothing more, and hands its runs over ([run.Runner.HandOver]).
// Then its streams end early, and whoever waits is answered with the task as it is. Clients come
// again to another process, which finds the task without a holder. They lose nothing.
//
// # A busy store
//
// If the store refuses a request because it is too busy ([tasklog.ErrThrottled]), the client can
// send it again, but nobody can send a run again. So requests of clients give up soon, and leave
// the store to the runs. No accepted message is lost.
//
// # The owner of a task
//
// A task belongs to a [Caller] and a tenant. For all others it is like a task that never was: the
// error is the same, and so is its cost, since an id begins with a mark of its owner (see load and
// ids.go).
package server
