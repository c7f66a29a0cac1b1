package memory

import (
	"math"
	"os"
	"runtime"
	"runtime/debug"
	"runtime/metrics"
	"time"
)

const (
	// A process that holds from much to most live memory collects garbage as soon as that is early
	// per cent of it: memory is what Lambda bills, and limits. One that holds less has too little for
	// it to matter, and in one that holds more, as a server with thousands of streams, each
	// collection takes too long.
	much, most = 12 << 20, 64 << 20
	// less is down to how much it goes on so.
	less = 8 << 20

	usual, early = 100, 30

	// A process that many use at once, and that collects more often than each often, is busy: with so many
	// stacks and so little garbage, collections take more of its time than its work. Then garbage may take
	// as much memory as spare says, but late per cent of what is live at most, until the process has not
	// collected for calm.
	often, calm = 500 * time.Millisecond, 3 * time.Second
	late        = 1600
)

// CollectEarly has this process collect garbage earlier as long as it holds many MB and is not busy,
// unless GOGC says when. Only a process that many use at once can be busy.
func CollectEarly(shared bool) {
	if os.Getenv("GOGC") != "" {
		return
	}
	c := &collector{shared: shared, percent: usual, last: time.Now()}
	if shared {
		c.calm = time.AfterFunc(math.MaxInt64, debug.FreeOSMemory) // a collection, after which it is not busy any more
	}
	c.await()
}

// collector sets the percentage after each collection.
type collector struct {
	shared, busy bool
	percent      int
	last         time.Time
	calm         *time.Timer
}

// await waits for the next collection.
func (c *collector) await() {
	type collected struct{ _ *int } // it has a pointer, so that nothing else keeps its memory
	runtime.SetFinalizer(new(collected), func(*collected) {
		live := []metrics.Sample{{Name: "/gc/heap/live:bytes"}}
		metrics.Read(live)
		if next := c.next(time.Now(), live[0].Value.Uint64()); next != c.percent {
			c.percent = next
			debug.SetGCPercent(next)
		}
		if c.busy {
			c.calm.Reset(calm)
		}
		c.await()
	})
}

// next returns the percentage after a collection that has left so many bytes.
func (c *collector) next(now time.Time, live uint64) int {
	since := now.Sub(c.last)
	c.last = now
	c.busy = c.shared && (since < often || c.busy && since < calm)
	if c.busy {
		return int(min(late, max(usual, spare()*100/(live+1))))
	}
	return percentFor(c.percent, live)
}

// spare returns how many bytes garbage may take in a busy process: a part of its memory.
func spare() uint64 {
	const least, most = 16 << 20, 64 << 20
	return uint64(min(most, max(least, debug.SetMemoryLimit(-1)/32)))
}

func percentFor(now int, live uint64) int {
	switch {
	case live < less, live >= most:
		return usual
	case live >= much:
		return early
	}
	return now
}
