package emulator

import "time"

// Moment is what an [Observation] is of.
type Moment string

const (
	Started   Moment = "started"   // the instance's process has been started
	Asked     Moment = "asked"     // it asks for an event. The first time, its initialization is over
	Delivered Moment = "delivered" // it gets an invocation's event
	Begun     Moment = "begun"     // its answer has begun: it has sent the header of the response
	Chunk     Moment = "chunk"     // bytes of the answer have come, as many as were there; of an HTTP response, of its body
	Ended     Moment = "ended"     // the invocation is over, and the instance frozen or dead
)

// Observation is what an observer is told.
type Observation struct {
	Moment
	At       time.Time
	Instance string // its ID
	PID      int    // of its process
	Request  string // the invocation's request id; "" for Started and Asked
	Bytes    int    // of a Chunk

	// Billed is what Lambda bills for an invocation that has Ended: from its event to the end of
	// its answer, and before the instance's first one its initialization, to the next full
	// millisecond.
	// https://aws.amazon.com/lambda/pricing/
	Billed time.Duration
	// Err is why an invocation that has Ended failed; nil for one that has not.
	Err error
}

// observe tells the observer, if there is one. The process waits for what it has asked meanwhile.
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

// billed returns what is billed for an invocation that ends at a time.
func billed(inv *invocation, at time.Time) time.Duration {
	d := at.Sub(inv.begin) + inv.init
	return (d + time.Millisecond - 1).Truncate(time.Millisecond)
}
