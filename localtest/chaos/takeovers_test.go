package chaos

import (
	"errors"
	"fmt"
	"slices"
	"testing"

	"a2alambda/localtest/emulator"
)

// TestTakeovers has holders that lose their tasks after a doubt. Only those that were left alone count.
func TestTakeovers(t *testing.T) {
	var got Takeovers
	write := func(format string, args ...any) { fmt.Fprintf(&got, "not JSON\n"+format+"\n", args...) }
	serve := func(request, instance string) {
		got.Observe(emulator.Observation{Moment: emulator.Delivered, Request: request, Instance: instance})
	}
	lost := func(task, request string) {
		write(`{"message":"run","task":%q,"end":"lost","requestId":%q}`, task, request)
	}
	for i, task := range []string{"killed", "frozen", "alone", "retried", "other"} {
		serve(fmt.Sprint("request-", i), fmt.Sprint("instance-", i))
		if task != "other" { // whose lease was lost in another way
			write(`{"message":"doubt","task":%q,"outcome":"deposed","requestId":"reader"}`, task)
		}
	}
	write(`{"message":"doubt","task":"healthy","outcome":"answered","requestId":"reader"}`)
	got.Breaks("instance-0")
	got.Breaks("instance-1")
	got.Breaks("instance-3")
	lost("frozen", "request-1")
	got.Observe(emulator.Observation{Moment: emulator.Ended, Request: "request-2", Instance: "instance-2"}) // the log may lag
	lost("alone", "request-2")
	got.Observe(emulator.Observation{Moment: emulator.Ended, Request: "request-3", Instance: "instance-3", Err: errors.New("killed")})
	serve("request-3", "instance-4")
	lost("retried", "request-3")
	lost("other", "request-4")
	if n := got.Needless(); !slices.Equal(n, []string{"alone", "retried"}) {
		t.Errorf("needless: %q", n)
	}
	if s := got.String(); s != "1 doubts found an answer, 4 deposed a holder, 2 of them needlessly: alone, retried" {
		t.Error(s)
	}
}
