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
	// initialization, which is billed for all runtimes since August 2025.
	// https://aws.amazon.com/lambda/pricing/
	// https://aws.amazon.com/blogs/compute/aws-lambda-standardizes-billing-for-init-phase/
	Billed time.Duration
	// CPU is what an invocation that has Ended has used, the instance's first one with its
	// initialization, and MaxMemory the most bytes that the instance has had at a time, with cached
	// files. They are 0 without Config.Limits.
	CPU       time.Duration
	MaxMemory int64
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

// Usage is what Lambda bills for.
type Usage struct {
	Invocations int
	Billed      time.Duration // all invocations', each to the next full millisecond
	GBSeconds   float64       // Billed times the function's memory, in GB of 1,024 MB
}

// Usage returns what Lambda would have billed until now, for the invocations that have ended.
func (e *Emulator) Usage() Usage {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.usage
}

func (e *Emulator) meter(billed time.Duration) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.usage.Invocations++
	e.usage.Billed += billed
	e.usage.GBSeconds = e.usage.Billed.Seconds() * float64(e.config.Memory) / 1024
}

// Killed returns how many instances the kernel has killed, because they took more memory than the
// function has. It is 0 without Config.Limits.
func (e *Emulator) Killed() int {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.killed
}

// Peak returns the most memory in bytes, with cached files, that an instance has had at a time,
// since [Emulator.ResetPeak] or from the beginning. It is 0 without Config.Limits.
func (e *Emulator) Peak() int64 {
	e.mu.Lock()
	defer e.mu.Unlock()
	peak := e.peak
	for _, i := range e.instances {
		if i.state != "" {
			peak = max(peak, i.cell.used().peak)
		}
	}
	return peak
}

// ResetPeak begins a new peak. A cgroup of version 2 needs Linux 6.12 for that.
func (e *Emulator) ResetPeak() {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.peak = 0
	for _, i := range e.instances {
		if i.state != "" {
			i.cell.resetPeak()
		}
	}
}
