package emulator

import "time"

// Moment says what an [Observation] is of.
type Moment string

const (
	Started Moment = "started" // the instance's process has been started
	// Asked: it asks for an event. The first time, this ends its initialization.
	Asked     Moment = "asked"
	Delivered Moment = "delivered" // it gets an invocation's event
	Begun     Moment = "begun"     // it has sent the header of its answer
	// Chunk: a piece of the answer has come; of an HTTP response, a piece of its body.
	Chunk Moment = "chunk"
	Ended Moment = "ended" // the invocation is over, and the instance frozen or dead
)

// Observation is one thing that an instance did.
type Observation struct {
	Moment
	At       time.Time
	Instance string // its ID
	PID      int    // of its process
	Request  string // the invocation's request id; "" for Started and Asked
	Bytes    int    // of a Chunk

	// Billed is what Lambda bills for an invocation that has Ended: from its event to the end of
	// its answer, to the next full millisecond. The instance's first one includes its
	// initialization.
	// https://aws.amazon.com/lambda/pricing/
	Billed time.Duration
	// Err is why an invocation that has Ended failed, or nil.
	Err error
}

// observe calls the observer, if there is one. What the process asks for meanwhile waits.
func (i *instance) observe(e *Emulator, o Observation) {
	if e.config.Observer == nil {
		return
	}
	o.Instance, o.PID = i.id, i.pid()
	if o.At.IsZero() {
		o.At = time.Now()
	}
	e.config.Observer(o)
}

func billed(inv *invocation, at time.Time) time.Duration {
	d := at.Sub(inv.begin) + inv.init
	return (d + time.Millisecond - 1).Truncate(time.Millisecond)
}
