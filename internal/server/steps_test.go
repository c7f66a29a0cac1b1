package server_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/a2aproject/a2a-go/v2/a2a"

	"a2alambda/internal/durable"
	"a2alambda/internal/server"
)

// list returns a page of steps, as "name state" each.
func (h *house) list(req server.ListStepsRequest) (page *server.StepsPage, steps []string) {
	h.Helper()
	page, err := h.servers[0].ListSteps(h.Context(), caller, &req)
	if err != nil {
		h.Fatal(err)
	}
	for _, s := range page.Steps {
		steps = append(steps, s.Name+" "+string(s.State))
	}
	return page, steps
}

// TestListSteps reads the steps of a task: whole, page by page, and while one of them runs. Pages of
// any size say the same in the end.
func TestListSteps(t *testing.T) {
	t.Parallel()
	for name, open := range stores(t) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			running, goOn := make(chan a2a.TaskID), make(chan bool)
			h := newHouse(t, 1, open, func(ctx context.Context, t *durable.Task) error {
				for i := range 70 {
					_, err := durable.Do(ctx, fmt.Sprint("quote ", i), func(context.Context) (int, error) { return i, nil })
					if err != nil {
						return err
					}
				}
				c, err := durable.NewCallback(ctx, "delivered", time.Hour)
				if err != nil {
					return err
				}
				_, _ = durable.Do(ctx, "charge", func(ctx context.Context) (int, error) {
					if err := says(ctx, t, "charging"); err != nil {
						return 0, err
					}
					if err := durable.Flush(ctx); err != nil {
						return 0, err
					}
					running <- t.ID
					<-goOn
					return 0, errors.New("no money")
				})
				_, _ = durable.Do(ctx, "pack", func(context.Context) (int, error) { // without an event
					running <- t.ID
					<-goOn
					return 0, nil
				})
				_, err = c.Wait(ctx)
				return err
			})
			task := make(chan *a2a.Task)
			go func() {
				begun, err := h.servers[0].SendMessage(t.Context(), caller, &a2a.SendMessageRequest{Message: a2a.NewMessage(a2a.MessageRoleUser, a2a.NewTextPart("go"))})
				if err != nil {
					t.Error(err)
				}
				task <- begun
			}()
			id := <-running
			page, steps := h.list(server.ListStepsRequest{ID: id})
			if want := "delivered waiting, charge running"; len(steps) != 72 || strings.Join(steps[70:], ", ") != want || page.More || page.Next != 71 {
				t.Errorf("while a step runs: %d steps, next %d, more %t, the last are %s, want %s", len(steps), page.Next, page.More, steps[max(0, len(steps)-2):], want)
			}
			// Who knows all that is in the journal still learns what runs.
			if page, steps = h.list(server.ListStepsRequest{ID: id, After: 71}); strings.Join(steps, ", ") != "charge running" || page.Next != 71 {
				t.Errorf("what is new is %s, next %d", steps, page.Next)
			}
			// In DynamoDB a page may be some seconds old.
			var whole []string
			until := func(next int64) {
				t.Helper()
				for end := time.Now().Add(10 * time.Second); time.Now().Before(end); time.Sleep(10 * time.Millisecond) {
					if page, whole = h.list(server.ListStepsRequest{ID: id}); page.Next == next {
						return
					}
				}
				t.Fatalf("the page goes on after %d, want %d", page.Next, next)
			}
			goOn <- true
			<-running
			until(72)
			// The last event is that of a step that has ended.
			if page, steps = h.list(server.ListStepsRequest{ID: id, After: 72}); len(steps) != 0 {
				t.Errorf("nothing is new, and the page says %s", steps)
			}
			goOn <- true
			<-task
			until(73)
			if want := "delivered waiting, charge failed, pack done"; len(whole) != 73 || strings.Join(whole[70:], ", ") != want {
				t.Errorf("%d steps, the last are %s, want %s", len(whole), whole[70:], want)
			}
			if s := page.Steps[70]; s.WaitsUntil == "" || s.EndTime != "" || s.Bytes != 0 || s.Type != durable.TypeCallback {
				t.Errorf("the callback is %+v", s)
			}
			for _, limit := range []int{1, 7, 64, 1000} {
				var all []string
				pages, after := 0, 0
				for more := true; more; pages++ {
					page, some := h.list(server.ListStepsRequest{ID: id, After: after, Limit: limit})
					if more = page.More; page.Next <= int64(after) || len(some) > limit {
						t.Fatalf("a page of %d after %d has %d steps, and the next begins after %d", limit, after, len(some), page.Next)
					}
					all, after = append(all, some...), int(page.Next)
				}
				if !slices.Equal(all, whole) || pages != (73+limit-1)/limit {
					t.Errorf("%d pages of %d entries: %d steps, want %d", pages, limit, len(all), len(whole))
				}
			}
			for _, req := range []server.ListStepsRequest{{ID: id, After: -1}, {ID: id, Limit: 1001}, {ID: id, Limit: -1}} {
				if _, err := h.servers[0].ListSteps(t.Context(), caller, &req); !errors.Is(err, a2a.ErrInvalidParams) {
					t.Errorf("%+v: %v", req, err)
				}
			}
			if _, err := h.servers[0].ListSteps(t.Context(), caller, &server.ListStepsRequest{ID: id, Tenant: "other"}); !errors.Is(err, a2a.ErrTaskNotFound) {
				t.Errorf("in another tenant: %v", err)
			}
			h.workers()
			if _, err := h.servers[0].ListSteps(t.Context(), caller, &server.ListStepsRequest{ID: id}); err != nil || h.workers() != 0 {
				t.Errorf("a reader wakes a suspended task, or %v", err)
			}
		})
	}
}
