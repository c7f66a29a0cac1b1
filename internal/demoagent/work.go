package demoagent

import "time"

// work is what the agent does after its nth step, from 0: it lets d pass. It has a file of its own,
// which tests of whole systems replace by one that waits for the test.
func work(_ int, d time.Duration) <-chan time.Time { return time.After(d) }
