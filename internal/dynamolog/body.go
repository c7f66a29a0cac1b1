package dynamolog

import (
	"bytes"
	"compress/flate"
	"context"
	"errors"
	"fmt"
	"io"
	"strconv"
	"sync"
	"time"

	"github.com/a2aproject/a2a-go/v2/a2a"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"

	"a2alambda/internal/tasklog"
)

const (
	// maxHeadBody keeps the head small: it is written again with each status.
	maxHeadBody = 2 << 10

	// maxBatchBody and maxPart keep items under DynamoDB's limit of 400 KB.
	maxBatchBody = 380 << 10
	maxPart      = 380 << 10

	// partsAtOnce bounds the requests under way for one body.
	partsAtOnce = 4
)

// formatDeflate1 is the first byte of every body: raw deflate with the dictionary below, of JSON values that each end in a line
// feed. Another dictionary needs another number.
const formatDeflate1 = 1

// dictionary holds what events have in common, the most frequent last, so that even a single one deflates well.
var dictionary = []byte(`TASK_STATE_AUTH_REQUIREDTASK_STATE_REJECTEDTASK_STATE_FAILEDTASK_STATE_CANCELEDTASK_STATE_INPUT_REQUIRED` +
	`"}],"role":"ROLE_USER"}],"metadata":{"filename":"mediaType":"application/jsontext/plain"data":{"url":"https://"raw":"` +
	`{"task":{"artifacts":[{"description":"","name":"history":[{"status":{"state":"TASK_STATE_SUBMITTED","timestamp":"2026-` +
	`"status":{"state":"TASK_STATE_COMPLETED","timestamp":"2026-` +
	`{"artifactUpdate":{"append":true,"artifact":{"artifactId":"","parts":[{"text":""}]},"contextId":"","lastChunk":true,"taskId":""}}` + "\n" +
	`{"statusUpdate":{"contextId":"","taskId":"","status":{"message":{"messageId":"","contextId":"","parts":[{"text":""}],` +
	`"role":"ROLE_AGENT","taskId":""},"state":"TASK_STATE_WORKING","timestamp":"2026-01-01T00:00:00.000Z"}}}` + "\n")

var deflaters = sync.Pool{New: func() any {
	w, _ := flate.NewWriterDict(nil, flate.BestSpeed, dictionary)
	return w
}}

var lineFeed = []byte{'\n'}

// deflate returns the body that holds the JSON values.
func deflate(values [][]byte) []byte {
	var buf bytes.Buffer
	buf.WriteByte(formatDeflate1)
	w := deflaters.Get().(*flate.Writer)
	defer deflaters.Put(w)
	w.Reset(&buf)
	for _, v := range values {
		_, _ = w.Write(v) // a bytes.Buffer takes everything
		_, _ = w.Write(lineFeed)
	}
	_ = w.Close()
	return buf.Bytes()
}

// inflate returns the JSON values in the body.
func inflate(body []byte) ([][]byte, error) {
	if len(body) == 0 || body[0] != formatDeflate1 {
		return nil, errors.New("unknown format of body")
	}
	data, err := io.ReadAll(flate.NewReaderDict(bytes.NewReader(body[1:]), dictionary))
	if err != nil {
		return nil, fmt.Errorf("inflating body: %w", err)
	}
	return bytes.Split(bytes.TrimSuffix(data, []byte{'\n'}), []byte{'\n'}), nil
}

// putBody gives the item its body: within it if that is not longer than most, else in parts, which it writes at once, so that
// they are there before whatever refers to them.
func (l *Log) putBody(ctx context.Context, it item, expires time.Time, ref string, most int, body []byte) error {
	if len(body) <= most {
		it[attrBody] = bin(body)
		return nil
	}
	it[attrParts] = str(ref)
	return l.putParts(ctx, a2a.TaskID(it.str(attrPK)), expires, ref, body)
}

func (l *Log) putParts(ctx context.Context, id a2a.TaskID, expires time.Time, ref string, body []byte) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	slots := make(chan struct{}, partsAtOnce)
	var wg sync.WaitGroup
	for i := 0; len(body) > 0; i++ {
		part := body[:min(len(body), maxPart)]
		body = body[len(part):]
		slots <- struct{}{}
		wg.Go(func() {
			defer func() { <-slots }()
			_, err := l.client.PutItem(ctx, &dynamodb.PutItemInput{
				TableName: &l.table,
				Item:      item{attrPK: str(string(id)), attrSK: str(skPart(ref, i)), attrTTL: num(expires.Unix()), attrBody: bin(part)},
			})
			if err != nil {
				cancel(err)
			}
		})
	}
	wg.Wait()
	return context.Cause(ctx)
}

// parts returns the body whose parts have the ref.
func (l *Log) parts(ctx context.Context, id a2a.TaskID, ref string) ([]byte, error) {
	var body []byte
	var from item
	for n := 0; ; {
		page, err := l.query(ctx, id, skPart(ref, 0), skPart(ref, maxParts), from, true, 0)
		if err != nil {
			return nil, err
		}
		for _, it := range page.Items {
			if it.str(attrSK) != skPart(ref, n) {
				return nil, fmt.Errorf("part %d of body %s is missing", n, ref)
			}
			body = append(body, it.bin(attrBody)...)
			n++
		}
		if from = page.LastEvaluatedKey; from == nil {
			return body, nil
		}
	}
}

const maxParts = 9999

func skPart(ref string, i int) string {
	s := strconv.Itoa(i)
	return "A#" + ref + "#" + "0000"[len(s):] + s
}

// events returns the events in a batch or head.
func (l *Log) events(ctx context.Context, it item) ([]tasklog.Event, error) {
	if last(it) < first(it) {
		return nil, nil // a fence
	}
	body := it.bin(attrBody)
	if ref := it.str(attrParts); ref != "" {
		var err error
		if body, err = l.parts(ctx, a2a.TaskID(it.str(attrPK)), ref); err != nil {
			return nil, err
		}
	}
	values, err := inflate(body)
	if err != nil {
		return nil, err
	}
	n := first(it)
	if want := int(last(it) - n + 1); len(values) != want {
		return nil, fmt.Errorf("%d events at %d, want %d", len(values), n, want)
	}
	events := make([]tasklog.Event, len(values))
	for i, v := range values {
		events[i] = tasklog.Event{Seq: n + int64(i), JSON: v}
	}
	return events, nil
}
