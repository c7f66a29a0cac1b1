package main

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"time"

	"a2alambda/internal/dynamolog"
	"a2alambda/internal/tasklog"
	"a2alambda/internal/tasklogtest"
	"a2alambda/localtest/client"
	"a2alambda/localtest/dynamodblocal"
	"a2alambda/localtest/emulator"
	"a2alambda/localtest/stack"
)

// These are the functions that no client of the agent waits for: push, sweeper and callback.

// sweptTasks are how many running tasks the sweeper looks at.
const sweptTasks = 1000

// minutes are how often the sweeper runs in a month of 365/12 days.
const minutes = 365.0 / 12 * 24 * 60

// push has the push function deliver the events of tasks that were answered at once.
func (m *sized) push(ctx context.Context, s *stack.Stack, r *running, agent, pushed ends) error {
	hook := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	defer hook.Close()
	for i := range m.colds {
		a, err := client.Call(ctx, r.url, "SendMessage", fmt.Sprintf(`{"message":{"messageId":"p%d","role":"ROLE_USER","parts":[{"data":{}}]},`+
			`"configuration":{"taskPushNotificationConfig":{"id":"hook","url":%q}}}`, i, hook.URL))
		if err != nil {
			return err
		}
		if _, err := agent.next(ctx); err != nil {
			return err
		}
		id, err := taskIn(a)
		if err != nil {
			return err
		}
		if err := s.Invoke.Call("push", fmt.Appendf(nil, `{"taskId":%q,"configId":"hook"}`, id)); err != nil {
			return err
		}
		o, err := pushed.next(ctx)
		if err != nil {
			return err
		}
		if i > 0 {
			m.add("push: a task of a few events to a webhook, billed", "ms", ms(o.Billed))
			m.add("a million such deliveries: Lambda", "$", million(free, o.Billed, m.mb))
		}
	}
	m.most("push", s.Push)
	return nil
}

// runningTasks makes a table of tasks that are at work, as far as anybody can see.
func (b *bench) runningTasks(ctx context.Context) (table string, err error) {
	if table, err = b.newTable(ctx); err != nil {
		return "", err
	}
	c := b.engine.Client()
	h, first := tasklogtest.NewTask()
	lease, err := dynamolog.New(c, table).Create(ctx, h, first, tasklog.Claim{Writer: "w", Until: time.Now()})
	if err == nil {
		_, err = lease.Renew(ctx, time.Now().Add(time.Hour))
	}
	if err != nil {
		return "", err
	}
	defer lease.Close(ctx)
	var items []dynamodblocal.Item
	for _, sk := range []string{"H", "L"} {
		it, err := dynamodblocal.Read(ctx, c, table, string(h.ID), sk)
		if err != nil {
			return "", err
		}
		items = append(items, it)
	}
	_, err = dynamodblocal.Tasks(ctx, c, table, sweptTasks-1, items, nil)
	return table, err
}

// sweeper sweeps a table on which nothing is to be done, in which tasks run.
func (m *sized) sweeper(ctx context.Context) error {
	for _, c := range []struct{ name, table string }{{"nothing runs", ""}, {fmt.Sprintf("%s tasks run", figure(sweptTasks)), m.table}} {
		swept := make(ends, 100)
		s, _, _, err := m.stack(ctx, stack.Config{Table: c.table, Sweeper: emulator.Config{Observer: swept.observe}})
		if err != nil {
			return err
		}
		for i := range m.colds {
			err := s.Invoke.Call("sweeper", []byte("{}"))
			var o emulator.Observation
			if err == nil {
				o, err = swept.next(ctx)
			}
			if err != nil {
				s.Close()
				return err
			}
			if i > 0 {
				m.add("sweeper: billed, when "+c.name, "ms", ms(o.Billed))
				m.add("sweeper: a month, when "+c.name, "$", million(free, o.Billed, m.mb)/1e6*minutes)
			}
		}
		if c.table != "" {
			m.most("sweeper", s.Sweeper)
		}
		s.Close()
	}
	return nil
}

// callback has the callback function take deliveries to tasks that wait for one.
func (m *sized) callback(ctx context.Context) error {
	courier, err := emulator.Build(ctx, "a2alambda/localtest/e2e/internal/courier")
	if err != nil {
		return err
	}
	binary, err := emulator.Build(ctx, "a2alambda/functions/callback")
	if err != nil {
		return err
	}
	called := make(ends, 100)
	s, _, worker, err := m.stack(ctx, stack.Config{
		Agent: emulator.Config{Binary: courier}, Worker: emulator.Config{Binary: courier},
		Callback: emulator.Config{Binary: binary, Observer: called.observe},
	})
	if err != nil {
		return err
	}
	r := serve(s.Agent, s.Close)
	defer r.close()
	for i := range m.colds {
		a, err := client.Call(ctx, r.url, "SendMessage", fmt.Sprintf(`{"message":{"role":"ROLE_USER","messageId":"m%d","parts":[{"text":"go"}]}}`, i))
		if err != nil {
			return err
		}
		_, rest, found := strings.Cut(a.Body, s.CallbackURL)
		path, _, _ := strings.Cut(rest, `"`)
		if !found {
			return fmt.Errorf("the task waits for no callback: %v", a)
		}
		answer, err := client.Do(ctx, http.MethodPost, s.CallbackURL+path, `{"left":"at the door"}`)
		if err == nil && answer.Status != http.StatusAccepted {
			err = fmt.Errorf("the callback is answered with %v", answer)
		}
		if err != nil {
			return err
		}
		o, err := called.next(ctx)
		if err == nil {
			_, err = worker.next(ctx) // it ends the task
		}
		if err != nil {
			return err
		}
		if i == 0 {
			m.add("callback: a delivery to a cold instance, billed", "ms", ms(o.Billed))
			continue
		}
		m.add("callback: a delivery, billed", "ms", ms(o.Billed))
		m.add("a million deliveries: Lambda", "$", million(free, o.Billed, m.mb))
	}
	m.most("callback", s.Callback)
	return nil
}
