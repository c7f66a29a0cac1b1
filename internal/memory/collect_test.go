package memory

import (
	"testing"
	"time"
)

func TestPercentFor(t *testing.T) {
	now := usual
	for _, step := range []struct {
		mb   uint64
		want int
	}{{4, usual}, {11, usual}, {12, early}, {9, early}, {60, early}, {64, usual}, {40, early}, {7, usual}, {10, usual}} {
		if now = percentFor(now, step.mb<<20); now != step.want {
			t.Errorf("at %d MB it is %d, want %d", step.mb, now, step.want)
		}
	}
}

func TestCollectorOfABusyProcess(t *testing.T) {
	const live = 40 << 20
	begin := time.Now()
	for _, shared := range []bool{true, false} {
		c := collector{shared: shared, percent: usual, last: begin}
		at := begin
		for _, step := range []struct {
			after time.Duration
			busy  bool
		}{{time.Second, false}, {often - 1, true}, {calm - 1, true}, {calm, false}, {calm - 1, false}, {1, true}} {
			at = at.Add(step.after)
			c.percent = c.next(at, live)
			if want := step.busy && shared; c.busy != want || (c.percent > early) != want {
				t.Errorf("shared %v: %v after a collection it is busy: %v, with %d %%; want %v", shared, step.after, c.busy, c.percent, want)
			}
		}
	}
	c := collector{shared: true, last: begin}
	for _, live := range []uint64{0, 1 << 20, 40 << 20, 1 << 30} {
		if p := c.next(begin, live); p < usual || p > late || uint64(p-usual)*live/100 > spare() {
			t.Errorf("a busy process with %d bytes collects at %d %%", live, p)
		}
	}
}
