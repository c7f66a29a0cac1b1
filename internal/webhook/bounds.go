package webhook

import (
	"context"
	"time"

	"a2alambda/internal/push"
	"a2alambda/internal/tasklog"
)

const (
	// A task's account has timesSent as many bytes as the caller has sent for the task, and
	// leastRoom at least. From it come the caller's own content, when it goes out again, and all
	// that goes out to webhooks that have not agreed.
	timesSent = 10
	leastRoom = 64 << 10

	// Of the account, one part in keptForFirst is kept for first requests: so what a caller says in a
	// long conversation does not keep another configuration from being asked.
	keptForFirst = 4

	// A delivery to a webhook that has agreed sets aside up to setAside times as much as it needs now,
	// but not more than a part of roomParts parts of the account: so few requests cost a write.
	setAside  = 4
	roomParts = 16

	// hourBytes is how many bytes go out for a configuration in an hour. For a task, they are at most
	// those of all configurations that it may have: so it does not help to put others in their place.
	// A configuration may have freeBytes in its hour before it takes from its task's: what it needs,
	// or as much as it has had, up to asideBytes. Each time costs a write.
	hourBytes     = 100 << 20
	taskHourBytes = push.MaxConfigs * hourBytes
	freeBytes     = 64 << 10
	asideBytes    = 4 << 20

	// An answer is late after lateAfter. The rest of its time counts: hourWait is how much of that a
	// configuration may have in an hour, and hostWait how much a host may have in a process.
	lateAfter = time.Second
	hourWait  = 6 * time.Minute
	hostWait  = 15 * time.Minute

	// mostLost is how many holders in a row may be lost before delivery is given up.
	mostLost = 5
)

// pause says that a delivery has reached a bound. It goes on later, and nothing has failed.
type pause struct {
	bound string
	until time.Time     // or, if it is zero:
	wait  time.Duration // as while a breaker is open
}

func (p *pause) Error() string { return "put off by the bound of " + p.bound }

// sentIn is what the caller has sent with an event that was read and is not delivered yet.
type sentIn struct {
	seq   int64
	bytes int64 // as the caller sent them
}

// note notes what the caller has sent in the events, which are to be delivered.
func (d *delivery) note(ctx context.Context, events []tasklog.Event) error {
	for _, e := range events {
		if e.Seq <= d.After || !hasOwn(e) {
			continue
		}
		if err := d.charge(ctx, "task", tasklog.EstimateSize(e.JSON).Memory()); err != nil {
			return err
		}
		event, err := tasklog.Decode(e.JSON)
		if err != nil {
			continue // the delivery says so
		}
		if n := sentWith(e.Seq, event); n > 0 {
			d.unsent = append(d.unsent, sentIn{e.Seq, n})
		}
	}
	return nil
}

// sentTo returns how many bytes the caller has sent up to an event.
func (d *delivery) sentTo(seq int64) int64 {
	n := d.Sent
	for _, s := range d.unsent {
		if s.seq <= seq {
			n += s.bytes
		}
	}
	return n
}

// take takes bytes from the room that the caller has had by an event, or by a later one that another
// delivery has come to, and reports whether there were so many. What a delivery sets aside it keeps
// with its progress, and also that there was no room, until the caller sends more: so that costs no
// write each time.
func (d *delivery) take(ctx context.Context, seq, bytes int64) (bool, error) {
	if d.Room < bytes {
		sent := d.sentTo(seq)
		most := d.mostRoom(sent)
		if d.Room <= -most {
			return false, nil
		}
		need := bytes - max(0, d.Room)
		part := need
		if d.Agreed {
			part = max(need, min(setAside*need, most/roomParts))
		}
		spend := push.Spending{Expires: d.Expires, Bytes: part, Sent: sent, Most: d.mostRoom}
		account, ok, err := d.config.Store.Spend(ctx, d.TaskID, spend)
		if err == nil && !ok && part > need {
			part, spend.Bytes = need, need
			account, ok, err = d.config.Store.Spend(ctx, d.TaskID, spend)
		}
		if err == nil && !ok && d.Agreed {
			d.Room = -account.Most
		}
		if err != nil || !ok {
			return false, err
		}
		d.Room = max(0, d.Room) + part
	}
	d.Room -= bytes
	return true, nil
}

// mostRoom returns how much the task's account may have for this delivery, by what the caller has
// sent.
func (d *delivery) mostRoom(sent int64) int64 {
	most := max(leastRoom, timesSent*sent)
	if d.Agreed {
		most -= most / keptForFirst
	}
	return most
}

// bounded returns a [pause] if a request of so many bytes must wait.
func (d *delivery) bounded(ctx context.Context, bytes int64) error {
	now := time.Now()
	d.hour(now)
	switch {
	case d.Bytes+bytes > hourBytes:
		return &pause{bound: "bytes", until: d.Hour.Add(time.Hour)}
	case d.Waited >= hourWait:
		return &pause{bound: "time", until: d.Hour.Add(time.Hour)}
	}
	if until := d.host.tired(now); !until.IsZero() {
		return &pause{bound: "host's time", until: until}
	}
	need := d.Bytes + bytes - freeBytes - d.Aside
	if need <= 0 {
		return nil
	}
	const hour = int64(time.Hour / time.Second)
	number := now.Unix() / hour
	for _, part := range []int64{max(need, min(d.Bytes, asideBytes, hourBytes-d.Aside)), need} {
		ok, err := d.config.Store.SpendHour(ctx, d.TaskID, d.Expires, number, part, taskHourBytes)
		if ok && err == nil {
			d.Aside += part
		}
		if ok || err != nil {
			return err
		}
	}
	return &pause{bound: "bytes", until: time.Unix((number+1)*hour, 0)}
}

// hour begins another hour if the last one is over. Another machine's clock may be a little ahead.
func (d *delivery) hour(now time.Time) {
	if passed := now.Sub(d.Hour); passed >= time.Hour || passed < -time.Minute {
		d.Hour, d.Bytes, d.Waited, d.Aside = now.Truncate(time.Second), 0, 0, 0
	}
}

// late notes by how much an answer was late, or that there was none for so long.
func (d *delivery) late(begun time.Time, answered bool) {
	over := time.Since(begun) - lateAfter
	if over <= 0 {
		return
	}
	d.Waited += over.Truncate(time.Millisecond)
	if answered {
		d.host.wasted(begun.Add(lateAfter)) // the breaker is for those that don't answer
	}
}

// pause puts the delivery off at a bound.
func (d *delivery) pause(ctx context.Context, p *pause) error {
	d.bound = p.bound
	if p.until.IsZero() {
		return d.wait(ctx, p.wait)
	}
	d.end = "put off"
	due := p.until.Truncate(time.Second).Add(time.Second) // the store keeps seconds, and must not be too early
	d.config.Logger.WarnContext(ctx, "webhook has had its hour", "task", d.TaskID, "config", d.ID, "bound", p.bound, "due", due)
	_, err := d.claim.Release(ctx, d.Progress, due)
	return err
}
