package memory

import "testing"

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
