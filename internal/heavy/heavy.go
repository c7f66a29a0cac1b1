// Package heavy keeps one caller's work from delaying everybody's. Go lets a goroutine compute for ten
// milliseconds and more before it lets another one run, and a token passes from goroutine to goroutine
// several times. So what takes a processor for long, such as to decode megabytes, is done by fewer
// goroutines at once than there are processors: one is left to those that have little to do.
package heavy

import "runtime"

// least is how many bytes of JSON are heavy: about what takes ten milliseconds.
const least = 256 << 10

var turns = make(chan struct{}, max(1, runtime.GOMAXPROCS(0)-1))

// Begin waits for its turn, if there are many bytes to work on. The caller must call end when the work
// is done, even if it panics. Meanwhile it must wait for nothing: neither for a client or a store, nor
// for another turn.
func Begin(bytes int64) (end func()) {
	if bytes < least {
		return func() {}
	}
	turns <- struct{}{}
	return func() { <-turns }
}
