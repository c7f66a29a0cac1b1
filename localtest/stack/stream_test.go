package stack

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-lambda-go/events"
)

func record(id, p string) events.DynamoDBEventRecord {
	return events.DynamoDBEventRecord{EventName: "MODIFY", Change: events.DynamoDBStreamRecord{
		Keys:           map[string]events.DynamoDBAttributeValue{"pk": events.NewStringAttribute(id), "sk": events.NewStringAttribute("H")},
		NewImage:       map[string]events.DynamoDBAttributeValue{"p": events.NewNumberAttribute(p), "b": events.NewBinaryAttribute([]byte{1})},
		SequenceNumber: "1",
	}}
}

func TestFilter(t *testing.T) {
	for p, want := range map[string]bool{"1": true, "0": false, "11": false} {
		if got := passes(record("a", p)); got != want {
			t.Errorf("p = %s: got %v", p, got)
		}
	}
	without := record("a", "1")
	delete(without.Change.NewImage, "p")
	text := record("a", "1")
	text.Change.NewImage["p"] = events.NewStringAttribute("1")
	for _, r := range []events.DynamoDBEventRecord{without, text, {EventName: "REMOVE"}} {
		if passes(r) {
			t.Errorf("%+v passes", r)
		}
	}
}

// TestBatches fails for a while on all batches with record 3: every record comes in order.
func TestBatches(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		begin := time.Now()
		var done []string
		s := &stream{log: io.Discard, call: func(payload []byte) error {
			var e events.DynamoDBEvent
			if err := json.Unmarshal(payload, &e); err != nil {
				t.Error(err)
			}
			var ids []string
			for _, r := range e.Records {
				ids = append(ids, r.Change.Keys["pk"].String())
			}
			if slices.Contains(ids, "3") && time.Since(begin) < 10*time.Second {
				return errors.New("no")
			}
			done = append(done, strings.Join(ids, " "))
			return nil
		}}
		ctx, cancel := context.WithCancel(t.Context())
		lane := make(chan events.DynamoDBEventRecord, 10)
		for i := range 7 {
			lane <- record(fmt.Sprint(i), "1")
		}
		s.group.Go(func() { s.deliver(ctx, lane) })
		time.Sleep(time.Minute)
		cancel()
		s.group.Wait()
		if got := strings.Join(done, ", "); got != "0 1 2, 3, 4, 5 6" {
			t.Errorf("the function did %s", got)
		}
	})
}
