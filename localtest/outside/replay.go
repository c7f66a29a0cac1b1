package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"

	"a2alambda/localtest/client"
)

// replays are the logs of ended tasks, as the agent shows them afterwards.
type replays struct {
	url string
}

// whole returns all events of a task, in a way of asking.
func (r *replays) whole(ctx context.Context, w *way, task string) ([]frame, error) {
	var all []frame
	err := r.each(ctx, w, task, 0, func(f frame) bool {
		all = append(all, f)
		return true
	})
	return all, err
}

// asOf returns the task as of event n.
func (r *replays) asOf(ctx context.Context, w *way, task string, n int64) (first frame, err error) {
	err = r.each(ctx, w, task, n, func(f frame) bool {
		first = f
		return false
	})
	return first, err
}

// each calls f with the events that follow event last, until f returns false.
func (r *replays) each(ctx context.Context, w *way, task string, last int64, f func(frame) bool) error {
	s, err := w.subscribe(task).open(ctx, r.url, last)
	if err != nil {
		return err
	}
	defer s.Close()
	for {
		e, err := s.Next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		next, err := event(e)
		if err != nil || !f(next) {
			return err
		}
	}
}

// check compares what a user has seen of a task with the whole log, which it must have seen to the
// end. It returns what is wrong.
func (r *replays) check(ctx context.Context, v *view) error {
	if v.task == "" {
		return errors.New("the user has not learned of its task")
	}
	log, err := r.whole(ctx, v.way, v.task)
	if err != nil {
		return fmt.Errorf("the replay: %w", err)
	}
	errs := []error{checkLog(log)}
	for i, s := range v.sessions {
		if err := r.checkSession(ctx, v, s, log); err != nil {
			errs = append(errs, fmt.Errorf("stream %d, after event %d: %w", i+1, s.after, err))
		}
	}
	if last := v.last(); last != int64(len(log)) || !v.ended() {
		errs = append(errs, fmt.Errorf("the user has seen event %d of %d, and the state %s", last, len(log), v.state()))
	}
	if v.user.remembers {
		errs = append(errs, checkOnce(v))
	}
	for i := range ways {
		other, err := r.whole(ctx, &ways[i], v.task)
		if err != nil || len(other) != len(log) {
			errs = append(errs, fmt.Errorf("the log has %d events by %s, %d by %s, %w", len(log), v.way.name, len(other), ways[i].name, err))
		}
	}
	return errors.Join(append(errs, r.checkAnswer(ctx, v))...)
}

// checkLog checks that a log has no gap, and only its last event ends the task.
func checkLog(log []frame) error {
	for i, f := range log {
		if f.id != int64(i)+1 {
			return fmt.Errorf("the log has event %d where %d was due", f.id, i+1)
		}
		if last := i == len(log)-1; final(stateIn(f.data)) != last {
			return fmt.Errorf("event %d of %d is %s", f.id, len(log), f.data)
		}
	}
	return nil
}

// checkSession checks that a stream is an unbroken piece of the log, after the event that the user
// named or, if it named none, after any. Its first frame is that event, or the task as of it.
func (r *replays) checkSession(ctx context.Context, v *view, s *session, log []frame) error {
	for i, f := range s.frames {
		if i == 0 && s.after > 0 && f.id != s.after {
			return fmt.Errorf("it begins with event %d", f.id)
		}
		if i > 0 && f.id != s.frames[i-1].id+1 {
			return fmt.Errorf("event %d comes after event %d", f.id, s.frames[i-1].id)
		}
		if f.id < 1 || f.id > int64(len(log)) {
			return fmt.Errorf("event %d is not in the log of %d", f.id, len(log))
		}
		want := log[f.id-1]
		if i == 0 && f.id > 1 && f.data != want.data {
			var err error
			if want, err = r.asOf(ctx, v.way, v.task, f.id); err != nil {
				return fmt.Errorf("the task as of event %d: %w", f.id, err)
			}
		}
		if f != want {
			return fmt.Errorf("event %d is %s, in the log %s", f.id, f.data, want.data)
		}
	}
	return nil
}

// checkOnce checks that a user who says what it has seen has got each event once. The first frame of
// a later stream is no news.
func checkOnce(v *view) error {
	next := int64(1)
	for _, s := range v.sessions {
		for i, f := range s.frames {
			if i == 0 && s.after > 0 && f.id == next-1 {
				continue
			}
			if f.id != next {
				return fmt.Errorf("the user got event %d where %d was due", f.id, next)
			}
			next++
		}
	}
	return nil
}

// maxCut is how many attempts of a step may be cut off before its task fails: see docs/limits.md.
const maxCut = 5

// checkAnswer checks that the task, in its end, has the whole answer once, though several models
// have said it. It may have less if it was given up, since too many models were cut off.
func (r *replays) checkAnswer(ctx context.Context, v *view) error {
	a, err := client.Call(ctx, r.url, "GetTask", client.ByID(v.task))
	if err != nil {
		return err
	}
	err = checkAnswer(a.Body, v.tokens)
	if !errors.Is(err, errShort) {
		return err
	}
	steps, failed := client.Do(ctx, http.MethodGet, r.url+"/tasks/"+v.task+"/steps", "", "A2A-Version", "1.0")
	var page struct {
		Steps []struct {
			State    string
			Attempts int
		}
	}
	if failed = errors.Join(failed, json.Unmarshal([]byte(steps.Body), &page)); failed != nil {
		return errors.Join(err, failed)
	}
	for _, step := range page.Steps {
		if step.State == "failed" && step.Attempts >= maxCut {
			v.givenUp = true
			return nil
		}
	}
	return err
}
