package prices

import (
	"math"
	"testing"
	"time"

	"a2alambda/localtest/emulator"
)

func TestPrices(t *testing.T) {
	const ms = 3022
	used := emulator.Usage{Invocations: 1, Billed: ms * time.Millisecond, GBSeconds: ms / 1000.0 / 2}
	for _, test := range []struct{ got, want float64 }{
		{1e6 * Lambda(used, false), 0.20 + 3.022*0.5*13.3334},
		{1e6 * Lambda(used, true), 0.20 + 3.022*0.5*16.6667},
	} {
		if math.Abs(test.got-test.want) > 1e-9 {
			t.Errorf("a million costs $%v, want $%v", test.got, test.want)
		}
	}
}
