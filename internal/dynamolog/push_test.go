package dynamolog_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/a2aproject/a2a-go/v2/a2a"
	"github.com/aws/aws-lambda-go/events"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/aws/smithy-go/middleware"

	"a2alambda/internal/dynamolog"
	"a2alambda/internal/push"
	"a2alambda/internal/pushtest"
	"a2alambda/internal/tasklog"
	"a2alambda/internal/tasklogtest"
	"a2alambda/localtest/dynamodblocal"
)

func pushes(l *dynamolog.Log) pushtest.Store { return pushtest.Store{Store: l.Pushes(), Log: l} }

// TestWakes checks which changes of the table wake the push function. In the middle of its run, a
// holder learns that its task has push notifications; from then on it marks what it appends.
func TestWakes(t *testing.T) {
	t.Parallel()
	client, table := newTable(t)
	l := dynamolog.New(client, table)
	h, _, lease := create(t, l)
	// check fails the test unless the changes were made, and exactly these items of the task wake.
	check := func(what, want string, changes ...error) {
		t.Helper()
		must(t, changes...)
		out, err := client.Scan(t.Context(), &dynamodb.ScanInput{TableName: &table})
		must(t, err)
		var keys []string
		for _, item := range out.Items {
			p, ok := item["p"].(*types.AttributeValueMemberN)
			if ok && p.Value == "1" && item["pk"].(*types.AttributeValueMemberS).Value == string(h.ID) {
				keys = append(keys, item["sk"].(*types.AttributeValueMemberS).Value)
			}
		}
		slices.Sort(keys)
		if got := strings.Join(keys, " "); got != want {
			t.Errorf("%s: these wake: %q, want %q", what, got, want)
		}
	}
	renew := func() error {
		_, err := lease.Renew(t.Context(), time.Now().Add(time.Minute))
		return err
	}
	add := func(seq int64, s a2a.TaskState) error {
		defer lease.Close(t.Context())
		return lease.Append(t.Context(), seq, in(h, s))
	}
	put := func() error { return l.Pushes().Put(t.Context(), h, pushtest.NewConfig(h, "c", "https://a")) }
	const working, completed = a2a.TaskStateWorking, a2a.TaskStateCompleted

	check("without push notifications", "", add(2, working), renew())
	check("a configuration", "H P#c", put())
	_, err := l.Pushes().Claim(t.Context(), h.ID, "c", "x", time.Now().Add(time.Minute))
	check("a claim", "H", err)
	check("an append by a holder that does not know", "H", add(3, working))
	check("it learns of it", "H", renew())
	check("an append by a holder that knows", "E#000000000004 H", add(4, working))
	check("a renewal, for what was appended before", "E#000000000004 H L", renew())
	check("it goes on", "E#000000000004 H", renew())
	check("the end", "E#000000000004 E#000000000005 H", add(5, completed))

	h, _, lease = create(t, l)
	check("learned of by a renewal", "H P#c", put(), renew())
	check("and the next", "H L P#c", renew())
	check("an append", "E#000000000002 H L P#c", add(2, working))

	h, _, lease = create(t, l)
	must(t, put())
	lease, err = l.Acquire(t.Context(), load(t, l, h.ID), by("next"))
	check("learned of by loading", "H P#c", err)
	check("an append", "E#000000000002 H P#c", add(2, working))

	var first tasklog.Entry
	h, first = tasklogtest.NewTask()
	c := by("w")
	c.Push = true
	lease, err = l.Create(t.Context(), h, first, c)
	check("from the beginning", "H", err)
	check("an append", "E#000000000002 H", add(2, working))
}

func TestWoken(t *testing.T) {
	record := func(id, image string) string {
		return fmt.Sprintf(`{"eventName":"MODIFY","dynamodb":{"Keys":{"pk":{"S":%q},"sk":{"S":"H"}},"NewImage":%s}}`, id, image)
	}
	records := []string{
		record("a", `{"p":{"N":"1"}}`), record("b", `{"p":{"N":"1"},"b":{"B":"AQ=="}}`), record("a", `{"p":{"N":"1"}}`),
		record("c", `{"p":{"N":"0"}}`), record("d", `{"p":{"S":"1"}}`), record("e", `{}`),
		`{"eventName":"REMOVE","dynamodb":{"Keys":{"pk":{"S":"f"},"sk":{"S":"H"}}}}`, `{}`,
	}
	var e events.DynamoDBEvent
	if err := json.Unmarshal([]byte(`{"Records":[`+strings.Join(records, ",")+`]}`), &e); err != nil {
		t.Fatal(err)
	}
	if got := dynamolog.Woken(e); !slices.Equal(got, []a2a.TaskID{"a", "b"}) {
		t.Errorf("woken: %q", got)
	}
}

// TestPushItem fixes the stored shape, which other versions of this program read.
func TestPushItem(t *testing.T) {
	t.Parallel()
	client, table := newTable(t)
	l := dynamolog.New(client, table)
	h, _ := tasklogtest.NewTask()
	h.Push = true
	c := pushtest.NewConfig(h, "c", "https://a")
	if err := l.Pushes().Put(t.Context(), h, c); err != nil {
		t.Fatal(err)
	}
	held, err := l.Pushes().Claim(t.Context(), h.ID, "c", "x", time.Unix(4e9, 0))
	if err != nil {
		t.Fatal(err)
	}
	check := func(want string) {
		t.Helper()
		out, err := client.Scan(t.Context(), &dynamodb.ScanInput{TableName: &table})
		if err != nil || len(out.Items) != 2 {
			t.Fatalf("%d items, %v", len(out.Items), err)
		}
		places, item := out.Items[0], out.Items[1] // N is before P
		if set, ok := places["pl"].(*types.AttributeValueMemberSS); !ok || len(set.Value) != 1 || places["ttl"] == nil {
			t.Errorf("the places are %v", places)
		}
		var all []string
		for _, name := range slices.Sorted(maps.Keys(item)) {
			switch v := item[name].(type) {
			case *types.AttributeValueMemberN:
				all = append(all, name+"="+v.Value)
			case *types.AttributeValueMemberS:
				all = append(all, name+"="+v.Value)
			}
		}
		got := strings.NewReplacer(string(h.ID), "ID", fmt.Sprint(h.Expires.Unix()), "EXPIRES", c.Trace.String(), "TRACE").Replace(strings.Join(all, " "))
		if i := strings.Index(got, "run=push-"); i >= 0 {
			got = got[:i+9] + "#" + got[i+10:] // the shard
		}
		if got != want {
			t.Errorf("got  %s\nwant %s", got, want)
		}
	}
	check("cr=4000000000 pk=ID run=push-# seq=1 sk=P#c tr=TRACE ttl=EXPIRES w=x")
	p := push.Progress{
		After: 7, Failures: 2, Since: time.Unix(3e9, 0), Agreed: true, Sent: 11, Room: 12,
		Hour: time.Unix(2e9, 0), Bytes: 13, Waited: 14 * time.Millisecond, Aside: 15,
	}
	if _, err := held.Release(t.Context(), p, time.Unix(3e9+60, 0)); err != nil {
		t.Fatal(err)
	}
	check("cr=3000000060 f=2 fs=3000000000 ha=15 ho=2000000000 hs=13 hw=14 in=11 lw=x ok=1 pk=ID ro=12 run=push-# seq=7 sk=P#c tr=TRACE ttl=EXPIRES")
}

// TestPushCost holds deliveries to their price.
func TestPushCost(t *testing.T) {
	t.Parallel()
	client, table := newTable(t)
	client, cost := dynamodblocal.NewMeter(client)
	l := dynamolog.New(client, table)
	h, first := tasklogtest.NewTask()
	h.Push = true
	check := checkCost(t, cost)
	_, err := l.Create(t.Context(), h, first, tasklog.Claim{Writer: "w", Push: true})
	if err != nil {
		t.Fatal(err)
	}
	cost.Reset()
	c := pushtest.NewConfig(h, "c", "https://a")
	check("a configuration", 4, 1, l.Pushes().Put(t.Context(), h, c))
	check("the same again", 0, 1, l.Pushes().Put(t.Context(), h, c))
	c.Push.Token = "other"
	check("another in its place", 1, 1, l.Pushes().Put(t.Context(), h, c))
	_, err = l.Pushes().List(t.Context(), h.ID)
	if err == nil {
		_, _, err = l.Read(t.Context(), h.ID, 1, 1)
	}
	check("waking in vain", 0, 3, err)
	held, err := l.Pushes().Claim(t.Context(), h.ID, "c", "x", time.Now().Add(time.Minute))
	check("a claim", 2, 0, err)
	_, err = held.Release(t.Context(), held.Config().Progress, time.Time{})
	check("the end of it", 2, 0, err)
	spend := func(sent int64) error {
		_, ok, err := l.Pushes().Spend(t.Context(), h.ID, push.Spending{
			Expires: h.Expires, Bytes: 1, Sent: sent, Most: func(sent int64) int64 { return sent },
		})
		if err == nil && !ok {
			err = errors.New("nothing was added")
		}
		return err
	}
	check("spending", 1, 0, spend(2))
	check("spending with less in sight", 2, 0, spend(1))
	_, err = l.Pushes().SpendHour(t.Context(), h.ID, h.Expires, 1, 1, 2)
	check("the first of an hour", 2, 0, err)
	_, err = l.Pushes().SpendHour(t.Context(), h.ID, h.Expires, 1, 1, 2)
	check("another one", 1, 0, err)
	_, err = l.Pushes().Claim(t.Context(), h.ID, "c", "y", time.Now().Add(-time.Second))
	check("the next claim", 2, 0, err)
	_, err = l.Pushes().Claim(t.Context(), h.ID, "c", "z", time.Now().Add(time.Minute))
	check("a claim after a lost holder", 4, 0, err)
	_, err = l.Pushes().Claim(t.Context(), h.ID, "c", "u", time.Now().Add(time.Minute))
	check("a claim that somebody holds", 2, 0, err)
	h.Push = false
	check("a configuration of a running task", 6, 2, l.Pushes().Put(t.Context(), h, pushtest.NewConfig(h, "d", "https://a")))
	check("it is deleted", 4, 0, l.Pushes().Delete(t.Context(), h.ID, "d"))
}

// TestPushOfFormerVersion has a configuration that a former version has stored, delivered and
// claimed. It is as one that has not agreed. What this version keeps, the former leaves as it is.
func TestPushOfFormerVersion(t *testing.T) {
	t.Parallel()
	client, table := newTable(t)
	l := dynamolog.New(client, table)
	h, _ := tasklogtest.NewTask()
	h.Push = true
	must(t, l.Pushes().Put(t.Context(), h, pushtest.NewConfig(h, "c", "https://a")))
	// former does what the former version does to progress, with its names of attributes.
	former := func(set string, values map[string]types.AttributeValue) {
		t.Helper()
		_, err := client.UpdateItem(t.Context(), &dynamodb.UpdateItemInput{
			TableName: &table, UpdateExpression: &set, ExpressionAttributeValues: values,
			Key: map[string]types.AttributeValue{
				"pk": &types.AttributeValueMemberS{Value: string(h.ID)}, "sk": &types.AttributeValueMemberS{Value: "P#c"},
			},
		})
		must(t, err)
	}
	n := func(n string) types.AttributeValue { return &types.AttributeValueMemberN{Value: n} }
	former("SET seq = :seq, f = :f, fs = :fs", map[string]types.AttributeValue{":seq": n("5"), ":f": n("1"), ":fs": n("3000000000")})
	c, err := l.Pushes().Claim(t.Context(), h.ID, "c", "x", time.Now().Add(time.Minute))
	must(t, err)
	if got := c.Config().Progress; got != (push.Progress{After: 5, Failures: 1, Since: time.Unix(3e9, 0)}) {
		t.Errorf("got %+v", got)
	}
	_, err = c.Release(t.Context(), push.Progress{After: 6, Agreed: true, Sent: 9}, time.Now().Add(-time.Second))
	must(t, err)
	former("SET seq = :seq REMOVE f, fs", map[string]types.AttributeValue{":seq": n("8")})
	c, err = l.Pushes().Claim(t.Context(), h.ID, "c", "y", time.Now().Add(time.Minute))
	must(t, err)
	if got := c.Config().Progress; got != (push.Progress{After: 8, Agreed: true, Sent: 9}) {
		t.Errorf("after the former version: %+v", got)
	}
}

// held returns the claim on a new configuration, until the given time.
func held(t *testing.T, l *dynamolog.Log, end time.Time) (c push.Claim) {
	t.Helper()
	h, _ := tasklogtest.NewTask()
	h.Push = true
	err := l.Pushes().Put(t.Context(), h, pushtest.NewConfig(h, "c", "https://a"))
	if err == nil {
		c, err = l.Pushes().Claim(t.Context(), h.ID, "c", "holder", end)
	}
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// TestReleasedUnheard has the answer to a release be lost, and another claim the delivery before
// the retry. The release succeeds all the same.
func TestReleasedUnheard(t *testing.T) {
	t.Parallel()
	client, table := newTable(t)
	var holder push.Claim
	end, tries := time.Now().Add(time.Minute), 0
	unheard := with(client, middleware.FinalizeMiddlewareFunc("unheard", func(
		ctx context.Context, in middleware.FinalizeInput, next middleware.FinalizeHandler,
	) (middleware.FinalizeOutput, middleware.Metadata, error) {
		out, md, err := next.HandleFinalize(ctx, in)
		if holder == nil {
			return out, md, err // it is about to be claimed
		}
		if tries++; tries == 1 {
			c, err := dynamolog.New(client, table).Pushes().Claim(ctx, holder.Config().TaskID, "c", "other", end)
			if c == nil || err != nil {
				t.Errorf("the other claimed %+v, %v", c, err)
			}
			return out, md, serverError("lost")
		}
		return out, md, err
	}))
	holder = held(t, dynamolog.New(unheard, table), end)
	released, err := holder.Release(t.Context(), push.Progress{After: 1}, time.Time{})
	if !released || err != nil || tries != 2 {
		t.Errorf("after %d tries: %v, %v", tries, released, err)
	}
}

// TestReleasedMeanwhile has the holder release its claim between the two requests of another: the
// first is refused, the second is to tell the holder. The other gets the claim.
func TestReleasedMeanwhile(t *testing.T) {
	t.Parallel()
	client, table := newTable(t)
	end, updates := time.Now().Add(time.Minute), 0
	holder := held(t, dynamolog.New(client, table), end)
	between := with(client, middleware.FinalizeMiddlewareFunc("between", func(
		ctx context.Context, in middleware.FinalizeInput, next middleware.FinalizeHandler,
	) (middleware.FinalizeOutput, middleware.Metadata, error) {
		if updates++; updates == 2 {
			if released, err := holder.Release(ctx, push.Progress{After: 1}, time.Time{}); !released || err != nil {
				t.Errorf("releasing: %v, %v", released, err)
			}
		}
		return next.HandleFinalize(ctx, in)
	}))
	c, err := dynamolog.New(between, table).Pushes().Claim(t.Context(), holder.Config().TaskID, "c", "other", end)
	if err != nil || c == nil || updates != 3 {
		t.Errorf("after %d requests: %+v, %v", updates, c, err)
	}
}
