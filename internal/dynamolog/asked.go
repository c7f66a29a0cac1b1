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
	// askTogether is how long a request waits for more holders to join it: the runs of a process
	// ask at the same time.
	askTogether = 10 * time.Millisecond

	// maxAsked is how many leases one request reads: the most that a BatchGetItem takes.
	// https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_BatchGetItem.html
	maxAsked = 100
)

// errUnread says that a request has left out the lease, because the table is throttled.
var errUnread = errors.New("the table is throttled")

// asker reads leases in one request for all holders of a process that ask at about the same time.
type asker struct {
	mu   sync.Mutex
	next *asking // the request that is about to be sent; nil if there is none
}

// asking is one request. The fields that no mutex guards are set before done is closed.
type asking struct {
	ids     map[a2a.TaskID]bool // guarded by asker.mu until full is closed
	waiting int                 // callers that wait for it; guarded by asker.mu
	full    chan struct{}       // closed when it takes no more
	cancel  context.CancelFunc

	done   chan struct{}
	leases map[a2a.TaskID]item // nil for a lease that is not there
	err    error
}

// ask returns the lease item of the task, nil if there is none. It may be old.
func (l *Log) ask(ctx context.Context, id a2a.TaskID) (item, error) {
	a := l.join(ctx, id)
	defer func() {
		l.asker.mu.Lock()
		defer l.asker.mu.Unlock()
		if a.waiting--; a.waiting > 0 {
			return
		}
		if a.cancel(); l.asker.next == a { // nobody is left, so nobody else may come
			l.asker.next = nil
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
	it, read := a.leases[id]
	if !read {
		return nil, errUnread // it is asked for again when its holder asks the next time
	}
	return it, nil
}

// join returns the next request, and adds the task to it.
func (l *Log) join(ctx context.Context, id a2a.TaskID) *asking {
	l.asker.mu.Lock()
	defer l.asker.mu.Unlock()
	a := l.asker.next
	if a == nil {
		a = &asking{ids: make(map[a2a.TaskID]bool), full: make(chan struct{}), done: make(chan struct{})}
		l.asker.next = a
		// It ends when the last caller that waits for it has left.
		ctx, a.cancel = context.WithCancel(context.WithoutCancel(ctx))
		go l.send(ctx, a)
	}
	a.ids[id] = true
	a.waiting++
	if len(a.ids) == maxAsked {
		l.asker.next = nil
		close(a.full)
	}
	return a
}

// send sends the request once it is full, or askTogether has passed.
func (l *Log) send(ctx context.Context, a *asking) {
	defer close(a.done)
	timer := time.NewTimer(askTogether)
	defer timer.Stop()
	select {
	case <-a.full:
	case <-timer.C:
		l.asker.mu.Lock()
		if l.asker.next == a {
			l.asker.next = nil
			close(a.full)
		}
		l.asker.mu.Unlock()
	}
	if a.leases, a.err = l.leases(ctx, a.ids); a.err != nil {
		a.err = fmt.Errorf("reading leases: %w", a.err)
	}
}

// leases reads the lease items of the tasks, maxAsked at most. An item is nil if there is none, and
// left out if it could not be read.
func (l *Log) leases(ctx context.Context, ids map[a2a.TaskID]bool) (map[a2a.TaskID]item, error) {
	keys, leases := make([]map[string]types.AttributeValue, 0, len(ids)), make(map[a2a.TaskID]item, len(ids))
	for id := range ids {
		keys = append(keys, item{attrPK: str(string(id)), attrSK: str(skLease)})
		leases[id] = nil
	}
	out, err := l.client.BatchGetItem(ctx, &dynamodb.BatchGetItemInput{
		RequestItems: map[string]types.KeysAndAttributes{l.table: {Keys: keys}},
	})
	if err != nil {
		return nil, err
	}
	for _, it := range out.Responses[l.table] {
		leases[a2a.TaskID(item(it).str(attrPK))] = it
	}
	for _, key := range out.UnprocessedKeys[l.table].Keys {
		delete(leases, a2a.TaskID(item(key).str(attrPK)))
	}
	return leases, nil
}
