package fanout_test

import (
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/a2aproject/a2a-go/v2/a2a"

	"a2alambda/internal/fanout"
)

func TestGroup(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		errs := map[a2a.TaskID]error{"a": errors.New("full"), "b": nil, "c": errors.New("away"), "d": nil}
		begun, g := time.Now(), fanout.New(2)
		for id, err := range errs {
			g.Go(id, func() error { time.Sleep(time.Second); return err })
		}
		err := g.Wait()
		if !errors.Is(err, errs["a"]) || !errors.Is(err, errs["c"]) || time.Since(begun) != 2*time.Second {
			t.Errorf("after %v: %v, want both errors after 2s, for two run at a time", time.Since(begun), err)
		}
	})
}
