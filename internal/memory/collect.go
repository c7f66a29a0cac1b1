package memory

import (
	"os"
	"runtime"
	"runtime/debug"
	"runtime/metrics"
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
)

// CollectEarly has this process collect garbage earlier as long as it holds many MB, unless GOGC says
// when.
func CollectEarly() {
	if os.Getenv("GOGC") == "" {
		afterEach(usual)
	}
}

// afterEach sets the percentage after each collection. Until the next, it is percent.
func afterEach(percent int) {
	type collected struct{ _ *int } // it has a pointer, so that nothing else keeps its memory
	runtime.SetFinalizer(new(collected), func(*collected) {
		live := []metrics.Sample{{Name: "/gc/heap/live:bytes"}}
		metrics.Read(live)
		next := percentFor(percent, live[0].Value.Uint64())
		if next != percent {
			debug.SetGCPercent(next)
		}
		afterEach(next)
	})
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
