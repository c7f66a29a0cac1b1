package dynamolog

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/a2aproject/a2a-go/v2/a2a"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
)

const (
	// shareWithin is how long a request waits for more to join it.
	shareWithin = 10 * time.Millisecond

	// maxShared is how many items one request reads: the most that a BatchGetItem takes.
	// https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_BatchGetItem.html
	maxShared = 100
)

// errUnread says that a request has left out the item, because the table is throttled.
var errUnread = errors.New("the table is throttled")

// sharer reads items in one request for all who ask in a process at about the same time, as its followers
// do for their seats. An item costs as much as if it was read alone.
type sharer struct {
	mu   sync.Mutex
	next *sharing // the request that is about to be sent; nil if there is none
}

// sharing is one request. The fields that no mutex guards are set before done is closed.
type sharing struct {
	keys    map[key]bool  // guarded by sharer.mu until full is closed
	waiting int           // callers that wait for it; guarded by sharer.mu
	full    chan struct{} // closed when it takes no more
	cancel  context.CancelFunc

	done  chan struct{}
	items map[key]item // nil for one that is not there
	err   error
}

// key is the key of an item of a task.
type key struct {
	id a2a.TaskID
	sk string
}

// share returns an item, nil if there is none. It may be old.
func (l *Log) share(ctx context.Context, k key) (item, error) {
	a := l.join(ctx, k)
	defer func() {
		l.sharer.mu.Lock()
		defer l.sharer.mu.Unlock()
		if a.waiting--; a.waiting > 0 {
			return
		}
		if a.cancel(); l.sharer.next == a { // nobody is left, so nobody else may come
			l.sharer.next = nil
			close(a.full)
		}
	}()
	select {
	case <-a.done:
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
	if a.err != nil {
		return nil, a.err
	}
	it, read := a.items[k]
	if !read {
		return nil, errUnread // whoever asks for it asks again
	}
	return it, nil
}

// join returns the next request, and adds the key to it.
func (l *Log) join(ctx context.Context, k key) *sharing {
	l.sharer.mu.Lock()
	defer l.sharer.mu.Unlock()
	a := l.sharer.next
	if a == nil {
		a = &sharing{keys: make(map[key]bool), full: make(chan struct{}), done: make(chan struct{})}
		l.sharer.next = a
		// It ends when the last caller that waits for it has left.
		ctx, a.cancel = context.WithCancel(context.WithoutCancel(ctx))
		go l.send(ctx, a)
	}
	a.keys[k] = true
	a.waiting++
	if len(a.keys) == maxShared {
		l.sharer.next = nil
		close(a.full)
	}
	return a
}

// send sends the request once it is full, or shareWithin has passed.
func (l *Log) send(ctx context.Context, a *sharing) {
	defer close(a.done)
	timer := time.NewTimer(shareWithin)
	defer timer.Stop()
	select {
	case <-a.full:
	case <-timer.C:
		l.sharer.mu.Lock()
		if l.sharer.next == a {
			l.sharer.next = nil
			close(a.full)
		}
		l.sharer.mu.Unlock()
	}
	if a.items, a.err = l.items(ctx, a.keys); a.err != nil {
		a.err = fmt.Errorf("reading what was asked for: %w", a.err)
	}
}

// items reads items, maxShared at most. One is nil if there is none, and left out if it could not be
// read.
func (l *Log) items(ctx context.Context, of map[key]bool) (map[key]item, error) {
	keys, items := make([]map[string]types.AttributeValue, 0, len(of)), make(map[key]item, len(of))
	for k := range of {
		keys = append(keys, item{attrPK: str(string(k.id)), attrSK: str(k.sk)})
		items[k] = nil
	}
	read, unread, err := l.batch(ctx, types.KeysAndAttributes{Keys: keys})
	if err != nil {
		return nil, err
	}
	for _, it := range read {
		items[keyOf(it)] = it
	}
	for _, key := range unread.Keys {
		delete(items, keyOf(key))
	}
	return items, nil
}

// batch reads items, maxShared at most, and returns those that are there, and what could not be read.
func (l *Log) batch(ctx context.Context, of types.KeysAndAttributes) (items []item, unread types.KeysAndAttributes, err error) {
	out, err := l.client.BatchGetItem(ctx, &dynamodb.BatchGetItemInput{
		RequestItems: map[string]types.KeysAndAttributes{l.table: of},
	})
	if err != nil {
		return nil, unread, err
	}
	for _, it := range out.Responses[l.table] {
		items = append(items, it)
	}
	of.Keys = out.UnprocessedKeys[l.table].Keys
	return items, of, nil
}

// batchTries is how often a throttled part of a batch is asked for.
const batchTries = 5

// wholeBatch is batch for a caller who waits until all is read, or the table is throttled for too long.
func (l *Log) wholeBatch(ctx context.Context, of types.KeysAndAttributes) (all []item, err error) {
	for try := 1; ; try++ {
		items, unread, err := l.batch(ctx, of)
		if err != nil {
			return nil, err
		}
		all = append(all, items...)
		switch of = unread; {
		case len(of.Keys) == 0:
			return all, nil
		case try == batchTries:
			return nil, errUnread
		}
		select {
		case <-time.After(time.Duration(try) * 100 * time.Millisecond):
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

func keyOf(it item) key { return key{a2a.TaskID(it.str(attrPK)), it.str(attrSK)} }
