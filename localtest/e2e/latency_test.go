package e2e

import (
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"a2alambda/localtest/client"
)

// These benchmarks measure how long a client waits at an instance that does not run its task. In
// the cloud each request to DynamoDB takes some milliseconds more.

// reportPercentiles reports the samples, not the time of an iteration, which the agent decides.
func reportPercentiles(b *testing.B, samples []time.Duration) {
	b.Helper()
	if len(samples) == 0 {
		b.Fatal("nothing was measured")
	}
	slices.Sort(samples)
	ms := func(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }
	b.ReportMetric(0, "ns/op")
	b.ReportMetric(ms(samples[len(samples)/2]), "p50-ms")
	b.ReportMetric(ms(samples[len(samples)*99/100]), "p99-ms")
	b.ReportMetric(float64(len(samples)), "samples")
}

// BenchmarkLag measures how much later a subscriber gets an event than the client whose instance
// runs the task. There are eight tasks at a time, with a step each second.
func BenchmarkLag(b *testing.B) {
	s := newSystem(b, options{})
	var mu sync.Mutex
	var lags []time.Duration
	for b.Loop() {
		var group sync.WaitGroup
		for range 8 {
			original := s.follow(b, v03.stream, v03.tutorial(), "")
			original.take(b, 2)
			subscriber := s.follow(b, v03.subscribe, client.ByID(original.task(b)), original.last())
			subscriber.take(b, 1)
			var here, there []time.Time
			var both sync.WaitGroup
			both.Go(func() { here = arrivals(original) })
			both.Go(func() { there = arrivals(subscriber) })
			group.Go(func() {
				both.Wait()
				if len(here) != 4 || len(there) != 4 {
					b.Errorf("the client had %d more events, its subscriber %d", len(here), len(there))
					return
				}
				mu.Lock()
				defer mu.Unlock()
				for i := range here {
					lags = append(lags, there[i].Sub(here[i]))
				}
			})
			time.Sleep(rand.N(time.Second / 8)) // spreads the steps
		}
		group.Wait()
	}
	reportPercentiles(b, lags)
}

// arrivals reads a stream to its end, and returns when each frame came.
func arrivals(st *stream) (times []time.Time) {
	for {
		e, err := st.Next()
		if err != nil {
			return times
		}
		times = append(times, e.At)
	}
}

// BenchmarkCancel measures the time from a request to cancel, at an instance that does not run the
// task, to the canceled task. The task's agent is silent.
func BenchmarkCancel(b *testing.B) {
	s := newSystem(b, options{})
	var took []time.Duration
	for b.Loop() {
		original := s.follow(b, v03.stream, v03.tutorial(), "")
		original.take(b, 2)
		time.Sleep(rand.N(time.Second)) // any moment between two renewals
		begin := time.Now()
		reply := client.Result(b, s.url, v03.cancel, client.ByID(original.task(b)))
		took = append(took, time.Since(begin))
		if !strings.Contains(reply, `"state":"canceled"`) {
			b.Fatalf("got %s", reply)
		}
		original.rest(b, false)
	}
	reportPercentiles(b, took)
}
