package dynamolog_test

import (
	"crypto/rand"
	"fmt"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/a2aproject/a2a-go/v2/a2a"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"a2alambda/internal/dynamolog"
	"a2alambda/internal/memory"
	"a2alambda/internal/tasklog"
	"a2alambda/internal/tasklogtest"
	"a2alambda/localtest/dynamodblocal"
)

// said makes a task that begins with a message and has these events, by an appender.
func said(t *testing.T, l tasklog.Log, message a2a.ContentParts, events func(a2a.TaskInfo) []a2a.Event) tasklog.Head {
	t.Helper()
	h, _ := tasklogtest.NewTask()
	info := a2a.TaskInfo{TaskID: h.ID, ContextID: h.ContextID}
	begin := a2a.NewSubmittedTask(info, a2a.NewMessage(a2a.MessageRoleUser, message...))
	first := tasklogtest.EntryOf(begin)
	lease, err := l.Create(t.Context(), h, first, by("w"))
	must(t, err)
	fold := tasklog.NewFold(nil, 0)
	fold.Add(tasklog.Event{Seq: 1, JSON: first.JSON})
	a := tasklog.NewAppender(t.Context(), tasklog.AppenderConfig{Lease: lease, Fold: fold})
	for _, e := range events(info) {
		must(t, a.Add(tasklogtest.EntryOf(e)))
	}
	must(t, a.Close())
	lease.Close(t.Context())
	return h
}

// raw returns n random bytes, which do not deflate.
func raw(n int) *a2a.Part {
	b := make([]byte, n)
	_, _ = rand.Read(b)
	return a2a.NewRawPart(b)
}

func words(s string) a2a.ContentParts { return a2a.ContentParts{a2a.NewTextPart(s)} }

func agentSays(info a2a.TaskInfo, state a2a.TaskState, parts ...*a2a.Part) a2a.Event {
	return a2a.NewStatusUpdateEvent(info, state, a2a.NewMessageForTask(a2a.MessageRoleAgent, info, parts...))
}

func userSays(info a2a.TaskInfo, parts ...*a2a.Part) a2a.Event {
	return a2a.NewStatusUpdateEvent(info, a2a.TaskStateSubmitted, a2a.NewMessageForTask(a2a.MessageRoleUser, info, parts...))
}

func completed(info a2a.TaskInfo) a2a.Event {
	return agentSays(info, a2a.TaskStateCompleted, words("done")...)
}

// TestPeekCost checks that what nobody wants costs nothing, however large or long it is: neither
// units nor memory.
func TestPeekCost(t *testing.T) {
	t.Parallel()
	const mb = 1 << 20
	client, table := newTable(t)
	client, meter := dynamodblocal.NewMeter(client)
	l := dynamolog.New(client, table)
	state, status := tasklog.Want{Lease: true}, tasklog.Want{Status: true}
	noHistory := tasklog.Want{Status: true, Artifacts: true}
	noArtifacts := tasklog.Want{Status: true, History: tasklog.AllHistory}
	last := tasklog.Want{Status: true, Artifacts: true, History: 2}
	each := func(n int, event func(int) a2a.Event, info a2a.TaskInfo) (events []a2a.Event) {
		for i := range n {
			events = append(events, event(i))
		}
		return append(events, completed(info))
	}
	for _, test := range []struct {
		name    string
		message a2a.ContentParts
		events  func(a2a.TaskInfo) []a2a.Event
		cheap   []tasklog.Want // for two units at most
	}{
		{"a small task", words("hello"), func(info a2a.TaskInfo) []a2a.Event {
			return []a2a.Event{agentSays(info, a2a.TaskStateWorking), a2a.NewArtifactEvent(info, words("ok")...), completed(info)}
		}, []tasklog.Want{state, status, noHistory, noArtifacts, last}},
		{"a message of 4.4 MB, 5.9 MB as JSON", a2a.ContentParts{raw(44 * mb / 10)}, func(info a2a.TaskInfo) []a2a.Event {
			return []a2a.Event{agentSays(info, a2a.TaskStateWorking), a2a.NewArtifactEvent(info, words("ok")...), completed(info)}
		}, []tasklog.Want{state, status, noHistory}},
		{"a message of 4.4 MB that nobody has answered", a2a.ContentParts{raw(44 * mb / 10)}, func(info a2a.TaskInfo) []a2a.Event {
			return nil
		}, []tasklog.Want{state, status, noHistory}},
		{"a message of 1 MB in the next turn", words("hello"), func(info a2a.TaskInfo) []a2a.Event {
			return []a2a.Event{agentSays(info, a2a.TaskStateInputRequired), userSays(info, raw(mb)), agentSays(info, a2a.TaskStateWorking)}
		}, []tasklog.Want{state, status, noHistory}},
		{"an artifact of 1 MB", words("hello"), func(info a2a.TaskInfo) []a2a.Event {
			return []a2a.Event{a2a.NewArtifactEvent(info, raw(mb)), completed(info)}
		}, []tasklog.Want{state, status, noArtifacts}},
		{"an artifact of 1 MB, and not the end", words("hello"), func(info a2a.TaskInfo) []a2a.Event {
			return []a2a.Event{agentSays(info, a2a.TaskStateWorking), a2a.NewArtifactEvent(info, raw(mb))}
		}, []tasklog.Want{state}},
		{"an answer of 1 MB in the history", words("hello"), func(info a2a.TaskInfo) []a2a.Event {
			return []a2a.Event{agentSays(info, a2a.TaskStateWorking, raw(mb)), completed(info)}
		}, []tasklog.Want{state, status, noHistory}},
		{"an answer of 1 MB as the status", words("hello"), func(info a2a.TaskInfo) []a2a.Event {
			return []a2a.Event{agentSays(info, a2a.TaskStateCompleted, raw(mb))}
		}, []tasklog.Want{state}},
		{"a history of 500 messages", words("hello"), func(info a2a.TaskInfo) []a2a.Event {
			return each(500, func(i int) a2a.Event { return agentSays(info, a2a.TaskStateWorking, raw(1000)) }, info)
		}, []tasklog.Want{state, status, noHistory}},
		{"200 pieces of 11 KB", words("hello"), func(info a2a.TaskInfo) []a2a.Event {
			piece := a2a.NewArtifactEvent(info, raw(11<<10))
			return each(200, func(i int) a2a.Event {
				next := a2a.NewArtifactUpdateEvent(info, piece.Artifact.ID, raw(11<<10))
				if i == 0 {
					return piece
				}
				return next
			}, info)
		}, []tasklog.Want{state, status, noArtifacts}},
		{"5,000 tokens", words("hello"), func(info a2a.TaskInfo) []a2a.Event {
			first := a2a.NewArtifactEvent(info, words("token ")...)
			return each(5000, func(i int) a2a.Event {
				if i == 0 {
					return first
				}
				return a2a.NewArtifactUpdateEvent(info, first.Artifact.ID, words(fmt.Sprint(" t", i))...)
			}, info)
		}, []tasklog.Want{state, status, noArtifacts}},
	} {
		h := said(t, l, test.message, test.events)
		meter.Reset()
		whole := load(t, l, h.ID)
		t.Logf("%s: %v read units for all", test.name, meter.Units().Read)
		for _, w := range test.cheap {
			ctx, account := memory.OpenUpTo(t.Context(), 1<<20)
			meter.Reset()
			s, err := l.Peek(ctx, h.ID, w)
			must(t, err)
			account.Close()
			u := meter.Units()
			if t.Logf("%s: %v read units, %d requests, wanting %+v", test.name, u.Read, u.Requests, w); u.Read > 2 || u.Write > 0 {
				t.Errorf("%s: %+v, wanting %+v", test.name, u, w)
			}
			want, task := *whole, *whole.Task
			want.Task = &task
			if w.Trim(&want); !reflect.DeepEqual(s, &want) {
				t.Errorf("%s: wanting %+v, got %+v, want %+v", test.name, w, s, &want)
			}
		}
	}
}

// TestPeekCostOfSizes checks that the state costs two units at most, whatever is in the last events,
// and whether the lease is in an item of its own.
func TestPeekCostOfSizes(t *testing.T) {
	t.Parallel()
	client, table := newTable(t)
	client, meter := dynamodblocal.NewMeter(client)
	l := dynamolog.New(client, table)
	for _, bytes := range []int{1, 500, 1000, 1400, 1600, 2000, 2900, 3100, 4000, 6 << 10, 11 << 10, 16 << 10, 40 << 10} {
		for name, event := range map[string]func(a2a.TaskInfo) a2a.Event{
			"a message":          func(info a2a.TaskInfo) a2a.Event { return userSays(info, raw(bytes)) },
			"a step":             func(info a2a.TaskInfo) a2a.Event { return agentSays(info, a2a.TaskStateWorking, raw(bytes)) },
			"a question":         func(info a2a.TaskInfo) a2a.Event { return agentSays(info, a2a.TaskStateInputRequired, raw(bytes)) },
			"the end":            func(info a2a.TaskInfo) a2a.Event { return agentSays(info, a2a.TaskStateCompleted, raw(bytes)) },
			"an artifact":        func(info a2a.TaskInfo) a2a.Event { return a2a.NewArtifactEvent(info, raw(bytes)) },
			"none but the first": func(a2a.TaskInfo) a2a.Event { return nil },
		} {
			h, _ := tasklogtest.NewTask()
			info := a2a.TaskInfo{TaskID: h.ID, ContextID: h.ContextID}
			h.Scope = tasklog.Scope{Owner: strings.Repeat("o", 200), Tenant: strings.Repeat("t", 60)}
			first := tasklogtest.EntryOf(a2a.NewSubmittedTask(info, a2a.NewMessage(a2a.MessageRoleUser, raw(bytes))))
			lease, err := l.Create(t.Context(), h, first, by("w"))
			must(t, err)
			check := func(when string) {
				t.Helper()
				for _, w := range []tasklog.Want{{}, {Lease: true}} {
					meter.Reset()
					_, err := l.Peek(t.Context(), h.ID, w)
					must(t, err)
					if u := meter.Units(); u.Read > 2 {
						t.Errorf("%s of %d bytes, %s: %+v, wanting %+v", name, bytes, when, u, w)
					}
				}
			}
			e := event(info)
			if e != nil {
				// The one before is as large.
				for i, e := range []a2a.Event{agentSays(info, a2a.TaskStateWorking, raw(bytes)), e} {
					must(t, lease.Append(t.Context(), int64(i)+2, []tasklog.Entry{tasklogtest.EntryOf(e)}))
				}
			}
			check("before a renewal")
			_, err = lease.Renew(t.Context(), time.Now().Add(time.Minute))
			must(t, err)
			check("after one")
			lease.Close(t.Context())
			check("after the end")
			_, err = l.Acquire(t.Context(), load(t, l, h.ID), by("next"))
			must(t, err)
			check("after a takeover")
		}
	}
}

// TestPeekFormer peeks at a task that has batches of a process of a former version, alone and
// between others, whose items have no gist.
func TestPeekFormer(t *testing.T) {
	t.Parallel()
	client, table := newTable(t)
	l := dynamolog.New(client, table)
	h, _, lease := create(t, l)
	check := func() {
		t.Helper()
		for _, w := range []tasklog.Want{{}, {Lease: true}, {Status: true}, {Status: true, Artifacts: true, History: tasklog.AllHistory}} {
			want := load(t, l, h.ID)
			w.Trim(want)
			got, err := l.Peek(t.Context(), h.ID, w)
			must(t, err)
			if got.Kept, want.Kept = nil, nil; !reflect.DeepEqual(got, want) {
				t.Errorf("wanting %+v: %+v\nwant %+v", w, got, want)
			}
		}
	}
	forget := func(sort string) {
		t.Helper()
		remove := "REMOVE g"
		_, err := client.UpdateItem(t.Context(), &dynamodb.UpdateItemInput{
			TableName: &table, UpdateExpression: &remove,
			Key: map[string]types.AttributeValue{"pk": text(string(h.ID)), "sk": text(sort)},
		})
		must(t, err)
	}
	must(t, lease.Append(t.Context(), 2, []tasklog.Entry{tasklogtest.Status(h, a2a.TaskStateWorking, "one")}))
	check()
	forget("E#000000000002")
	check()
	lease, err := l.Acquire(t.Context(), load(t, l, h.ID), by("next"))
	must(t, err)
	must(t, lease.Append(t.Context(), 3, []tasklog.Entry{tasklogtest.Status(h, a2a.TaskStateWorking, "two")}))
	check()
	forget("H")
	check()
	must(t, lease.Append(t.Context(), 4, []tasklog.Entry{tasklogtest.Status(h, a2a.TaskStateCompleted, "three")}))
	lease.Close(t.Context()) // the head has the end
	check()
}
