// Package run runs an executor for one turn of a task, within one invocation, and writes what it
// says to the task's log.
//
// # Turns and runs
//
// An accepted message is in the log, and begins a turn. [Runner.Start] runs it: the executor yields
// events, the run checks them, and an appender puts them into the log before anybody sees them. The
// run ends with its turn, when the task reaches a final state, or earlier:
//
//   - The invocation is about to end, and the executor can resume ([Resumer]): the run hands over.
//     It releases its lease, and asks for a worker. If the executor cannot resume, the task fails,
//     in words that say why.
//   - The process is about to end ([Runner.HandOver]), as after SIGTERM: the run hands over at once
//     if the executor can resume. If not, it goes on for as long as the process does.
//   - Somebody asks to cancel the task: the executor's context ends, it may say a last word, and
//     the task is canceled.
//   - The instance dies. Nothing is done at that moment. Whoever comes to the task, and then the
//     sweeper (package sweep), notices it, and a worker takes the task over ([Runner.Resume]).
//   - Somebody else has the lease, or may have it: this run was superseded ([Superseded]). It stops
//     at once and appends nothing more. Its caller follows the log instead.
//
// # The lease
//
// A run may append only while it holds the task's lease. The lease lasts for 15 s and is renewed
// every 5 s. By its own clock, the run gives up 3 s early: an instance that Lambda has frozen wakes
// up as if no time had passed, and its clock is the first to say otherwise. The store is the last:
// after a takeover there is a fence where the run would put its next event.
//
// Every 300 ms the holder asks the store whether somebody wants something of it, such as to cancel:
// nothing else reaches an invocation that is under way. All runs of a process ask at the same time,
// so that the store can answer with one read. A request to cancel that comes to the run's own
// process reaches it at once ([Runner.RequestCancel]).
//
// # Doubt
//
// Nobody takes a lease because it has ended by a clock: the clocks of two machines may differ. Who
// doubts that a holder is alive asks it, through the lease, for a renewal ([tasklog.Log.Doubt]). If
// none comes within a second, the holder is deposed ([tasklog.Log.Depose]), and a worker takes over.
// Or a lease is watched: one that stays as it is for as long as it lasts is over.
//
//   - Who comes to a task to follow it or to cancel it doubts a holder whose last renewal is 2 s old.
//     Who stays doubts it when a renewal is overdue. So does a worker that is asked for by somebody
//     who only reads the task, or by the sweeper.
//     Who comes asks nothing within a second after another holder in the same process gave a sign of
//     life: events, a renewal, an answer.
//   - It is one question for all. Those who have not asked it themselves act later.
//   - No holder is judged by somebody whose store, or process, is slow, or was for a moment, or who
//     finds that a call is under way that happens only once ([durable.InFlight]), or if its executor
//     cannot resume: then the end of the lease decides. So it does after three holders in a row that
//     made no progress, and if the holder is of a former version, and knows nothing of questions.
//   - A holder that is deposed because it did not answer records nothing more: it begins no call
//     that happens only once, if it was only slow.
//   - A process deposes one in 10 s. It asks for a worker to judge the others.
//
// # In one process
//
// The runs of a process show what they append to its followers ([Runner.Followers]), which then
// need not read it from the log. A run lives no longer than [Run.Wait]: after the answer, Lambda
// freezes the instance.
//
// # Files
//
// run.go has the life of a run, lease.go its lease, doubt.go the doubts of other holders, sighting.go
// what a process knows of them, running.go the runs of a process, execute.go the calls of the
// executor, durable.go and park.go the runs of durable agents, event.go what an executor may say,
// recover.go what happens to tasks that nobody runs, here.go to those that this process takes over,
// ending.go to all of them when the process ends, earlier.go the conversation before a task, and
// observe.go the log line.
package run
