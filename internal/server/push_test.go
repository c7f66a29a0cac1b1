package server_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/a2aproject/a2a-go/v2/a2a"

	"a2alambda/internal/push"
	"a2alambda/internal/server"
	"a2alambda/internal/tasklog"
)

// TestRoomAtOnce brings a task many configurations at the same time, by each operation and in both
// versions: all of them look whether there is room before the first is stored.
func TestRoomAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, l := newServer()
		s.Push.Store = push.Hooked(l.Pushes(), tasklog.Hooks{Before: func(_ context.Context, op tasklog.Op) error {
			if op.Name == "Push.Put" {
				time.Sleep(time.Second)
			}
			return nil
		}})
		first := message("", "first")
		task := send(t, s, first, a2a.TaskStateInputRequired)
		var mu sync.Mutex
		var wg sync.WaitGroup
		stored, full := 0, 0
		for i := range 30 {
			config := &a2a.PushConfig{TaskID: task.ID, ID: fmt.Sprint(i), URL: "https://example.com"}
			wg.Go(func() {
				var err error
				switch i % 3 {
				case 0:
					_, err = s.CreatePushConfig(t.Context(), caller, config)
				case 1:
					_, err = s.CreatePushConfig(t.Context(), server.Caller{Version: "0.3"}, config)
				default:
					joins := *first
					joins.Config = &a2a.SendMessageConfig{PushConfig: config}
					_, err = s.SendMessage(t.Context(), caller, &joins)
				}
				mu.Lock()
				defer mu.Unlock()
				switch {
				case err == nil:
					stored++
				case errors.Is(err, a2a.ErrUnsupportedOperation):
					full++
				default:
					t.Error(err)
				}
			})
		}
		wg.Wait()
		configs, err := l.Pushes().List(t.Context(), task.ID)
		if len(configs) != push.MaxConfigs || stored != push.MaxConfigs || full != 30-push.MaxConfigs || err != nil {
			t.Errorf("the task has %d configurations: %d were stored, %d refused, %v", len(configs), stored, full, err)
		}
	})
}
