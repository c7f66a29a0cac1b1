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

	"a2alambda/internal/heavy"
	"a2alambda/internal/tasklog"
)

const (
	// maxHeadBody keeps the head small: it is written again with each status. maxBatchBody keeps
	// batches small: whoever looks at a task, even to learn only the state, reads the head, the
	// lease and the newest batch, or the newest two. That must be 8 KB at most.
	maxHeadBody  = 2 << 10
	maxBatchBody = 1500

	// maxPart keeps items under DynamoDB's limit of 400 KB.
	maxPart = 380 << 10
)

// formatDeflate1 is the first byte of every body. The rest is raw deflate, with the dictionary
// below, of JSON values that each end in a line feed. Behind it, there may be the owners of events;
// processes of a former version don't read them. Another dictionary needs another number.
const formatDeflate1 = 1

// dictionary holds what events have in common, the most frequent last, so that a single event
// deflates well, too.
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

// inflaters has readers, each of which has a window of 32 KB.
var inflaters = sync.Pool{New: func() any { return flate.NewReader(nothing) }}

var nothing = new(bytes.Reader)

// inflateAll returns what was deflated with the dictionary, and reads no further.
func inflateAll(from *bytes.Reader) ([]byte, error) {
	r := inflaters.Get().(io.ReadCloser)
	defer func() {
		_ = r.(flate.Resetter).Reset(nothing, nil) // it holds on to from
		inflaters.Put(r)
	}()
	if err := r.(flate.Resetter).Reset(from, dictionary); err != nil {
		return nil, err
	}
	return io.ReadAll(r)
}

var lineFeed = []byte{'\n'}

// deflate returns the body that holds the entries.
func deflate(entries []tasklog.Entry) []byte {
	var buf bytes.Buffer
	buf.WriteByte(formatDeflate1)
	w := deflaters.Get().(*flate.Writer)
	defer deflaters.Put(w)
	w.Reset(&buf)
	for _, e := range entries {
		_, _ = w.Write(e.JSON) // a bytes.Buffer takes everything
		_, _ = w.Write(lineFeed)
	}
	_ = w.Close()
	if owners := ownersOf(entries); len(owners) > 0 {
		w.Reset(&buf)
		_, _ = w.Write(owners)
		_ = w.Close()
	}
	return buf.Bytes()
}

// inflate returns the JSON values in the body, and what follows them: see ownersOf.
func inflate(body []byte) (values [][]byte, rest []byte, err error) {
	if len(body) == 0 || body[0] != formatDeflate1 {
		return nil, nil, errors.New("unknown format of body")
	}
	from := bytes.NewReader(body[1:])
	data, err := inflateAll(from)
	if err != nil {
		return nil, nil, fmt.Errorf("inflating body: %w", err)
	}
	return bytes.Split(bytes.TrimSuffix(data, lineFeed), lineFeed), body[len(body)-from.Len():], nil
}

// putBody puts the body into the item if it is not longer than most. Otherwise it writes the body
// in parts at once, so that they are there before an item refers to them.
func (l *Log) putBody(
	ctx context.Context, it item, expires time.Time, ref string, most int, body []byte, have *parts,
) error {
	if len(body) <= l.large.inline(most) {
		it[attrBody] = bin(body)
		return nil
	}
	it[attrParts] = str(ref)
	return l.putParts(ctx, a2a.TaskID(it.str(attrPK)), expires, ref, body, have)
}

// joined returns the body whose parts have the ref.
func (l *Log) joined(ctx context.Context, id a2a.TaskID, ref string) ([]byte, error) {
	return io.ReadAll(&partReader{ctx: ctx, log: l, id: id, ref: ref})
}

// partReader reads a body whose parts have the ref, a page of them at a time.
type partReader struct {
	ctx context.Context
	log *Log
	id  a2a.TaskID
	ref string

	n    int    // the next part
	read []item // that are not in rest yet
	rest []byte // of a part
	from item   // where the next page starts
	end  bool   // there is no further page
}

func (r *partReader) Read(p []byte) (int, error) {
	for len(r.rest) == 0 {
		if len(r.read) == 0 {
			if r.end {
				return 0, io.EOF
			}
			page, err := r.log.query(r.ctx, r.id, skPart(r.ref, 0), skPart(r.ref, maxParts), r.from, true, 0)
			if err != nil {
				return 0, err
			}
			r.read, r.from = page.Items, page.LastEvaluatedKey
			r.end = r.from == nil
			continue
		}
		it := r.read[0]
		if it.str(attrSK) != skPart(r.ref, r.n) {
			return 0, fmt.Errorf("part %d of body %s is missing", r.n, r.ref)
		}
		rest, err := r.log.large.partOf(r.ctx, it)
		if err != nil {
			return 0, fmt.Errorf("part %d of body %s: %w", r.n, r.ref, err)
		}
		r.read, r.rest = r.read[1:], rest
		r.n++
	}
	n := copy(p, r.rest)
	r.rest = r.rest[n:]
	return n, nil
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
	values, rest, err := l.values(ctx, it)
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
	return events, own(events, rest)
}

// values returns the JSON values in the body of an item, and what follows them.
func (l *Log) values(ctx context.Context, it item) (values [][]byte, rest []byte, err error) {
	body := it.bin(attrBody)
	if ref := it.str(attrParts); ref != "" {
		if body, err = l.joined(ctx, a2a.TaskID(it.str(attrPK)), ref); err != nil {
			return nil, nil, err
		}
	}
	defer heavy.Begin(int64(len(body)))()
	return inflate(body)
}
