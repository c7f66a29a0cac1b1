package e2e

import (
	"context"
	"fmt"
	"os"
	"runtime"
	"runtime/pprof"
	"testing"
	"time"

	"github.com/a2aproject/a2a-go/v2/a2a"
	"github.com/a2aproject/a2a-go/v2/a2asrv"

	"a2alambda/internal/hosttest"
	"a2alambda/localtest/dynamodblocal"
)

func TestIdleScratch(t *testing.T) {
	client, table := dynamodblocal.Table(t)
	end := make(chan struct{})
	s := newServer(t, client, table, hosttest.Executor(func(_ context.Context, ec *a2asrv.ExecutorContext, yield func(a2a.Event, error) bool) {
		yield(a2a.NewStatusUpdateEvent(ec, a2a.TaskStateWorking, nil), nil)
		<-end
		yield(a2a.NewStatusUpdateEvent(ec, a2a.TaskStateCompleted, nil), nil)
	}))
	var before, after runtime.MemStats
	stream, _ := begin(t, s, "wait")
	time.Sleep(time.Second)
	runtime.GC()
	runtime.GC()
	runtime.ReadMemStats(&before)
	g := runtime.NumGoroutine()
	const n = 1000
	for range n {
		st, _ := begin(t, s, "wait")
		go func() { readAll(t, st) }()
	}
	time.Sleep(12 * time.Second)
	runtime.ReadMemStats(&after)
	fmt.Printf("no GC: goroutines %.1f stack %.1f KB\n", float64(runtime.NumGoroutine()-g)/n, float64(after.StackInuse-before.StackInuse)/n/1024)
	f, _ := os.Create("/tmp/reads-gor.txt")
	pprof.Lookup("goroutine").WriteTo(f, 1)
	f.Close()
	runtime.GC()
	runtime.ReadMemStats(&after)
	fmt.Printf("GC: goroutines %.1f stack %.1f KB heap %.1f KB\n", float64(runtime.NumGoroutine()-g)/n, float64(after.StackInuse-before.StackInuse)/n/1024, float64(after.HeapAlloc-before.HeapAlloc)/n/1024)
	f, _ = os.Create("/tmp/reads-heap.out")
	pprof.Lookup("heap").WriteTo(f, 0)
	f.Close()
	close(end)
	readAll(t, stream)
}
