package tasklogtest

import (
	"context"
	"fmt"
	"hash/fnv"
	"strconv"
	"sync"
	"time"

	"github.com/a2aproject/a2a-go/v2/a2a"

	"a2alambda/internal/tasklog"
)

// How many keys of the index package dynamolog uses for the tasks of one owner, and for all
// unfinished tasks.
const (
	listShards       = 4
	unfinishedShards = tasklog.Shards
)

// spread returns a number less than n that follows from the id, as in package dynamolog.
func spread(id a2a.TaskID, n uint32) int {
	h := fnv.New32a()
	_, _ = h.Write([]byte(id))
	return int(h.Sum32() % n)
}

// ErrThrottled is the error of a call that finds no write unit in a [Bucket].
var ErrThrottled = fmt.Errorf("%w: a key has no write units left", tasklog.ErrThrottled)

// Bucket refuses writes as DynamoDB does, by the partition key, those of the index included. It
// shows when all calls go to one key; faults at random never show that. Its zero value refuses all.
type Bucket struct {
	// Rate is how many write units each key gets in a second. Burst is how many it can gather.
	// DynamoDB's are 1,000, and some minutes' worth. A call takes one unit from each of its keys.
	// An append or a Record takes one from the key of its task for each KB of its JSON. Each Wake is
	// taken for one that makes a suspended task due.
	Rate, Burst float64

	mu     sync.Mutex
	keys   map[string]*tokens
	states map[a2a.TaskID]a2a.TaskState // as the index has them
}

type tokens struct {
	left float64
	last time.Time // when left was right
}

// Store returns the store with the bucket before it. If one of its keys has too little, a call gets
// ErrThrottled, takes nothing, and does nothing. Reads need nothing.
func (b *Bucket) Store(s tasklog.Store) tasklog.Store {
	return tasklog.Hooked(s, tasklog.Hooks{Before: b.before, After: b.after})
}

func (b *Bucket) before(_ context.Context, op tasklog.Op) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	units := b.units(op)
	for key, n := range units {
		if b.tokens(key).left < n {
			return ErrThrottled
		}
	}
	for key, n := range units {
		b.keys[key].left -= n
	}
	return nil
}

func (b *Bucket) after(_ context.Context, op tasklog.Op, err error) error {
	if state := lastState(op); err == nil && state != "" {
		b.mu.Lock()
		defer b.mu.Unlock()
		if b.states == nil {
			b.states = make(map[a2a.TaskID]a2a.TaskState)
		}
		b.states[op.ID] = state
	}
	return err
}

// units returns the units that the call takes from each key. b.mu is held.
func (b *Bucket) units(op tasklog.Op) map[string]float64 {
	units, index := map[string]float64{string(op.ID): 1}, false
	shard := strconv.Itoa(spread(op.ID, unfinishedShards))
	unfinished, waiting := "unfinished/"+shard, "waiting/"+shard
	switch op.Name {
	case "Create", "Acquire", "Settle":
		index = true
	case "Lease.Record":
		bytes := 0
		for _, e := range op.Steps {
			bytes += len(e)
		}
		units[string(op.ID)] = float64((bytes + 1023) / 1024)
	case "Lease.Suspend":
		units[string(op.ID)], units[unfinished], units[waiting] = 2, 1, 1
	case "Wake":
		units[waiting] = 2
	case "Lease.Append":
		state, bytes := lastState(op), 0
		for _, e := range op.Entries {
			bytes += len(e.JSON)
		}
		units[string(op.ID)] = float64((bytes + 1023) / 1024)
		index = state != "" && state != b.states[op.ID]
	case "Postpone":
		units[unfinished] = 2
	case "Lease.Renew", "Lease.Release", "Lease.SaveSnapshot", "RequestCancel", "OpenWait", "Deliver", "CloseWait", "Sit", "Leave":
	default:
		return nil
	}
	if index {
		list := strconv.Itoa(spread(op.ID, listShards))
		units["list/"+op.Scope.Tenant+"/"+op.Scope.Owner+"/"+list] = 1
		units[unfinished] = 1
	}
	return units
}

// tokens returns what the key has now. b.mu is held.
func (b *Bucket) tokens(key string) *tokens {
	now := time.Now()
	k := b.keys[key]
	if k == nil {
		if b.keys == nil {
			b.keys = make(map[string]*tokens)
		}
		k = &tokens{left: b.Burst, last: now}
		b.keys[key] = k
	}
	k.left = min(b.Burst, k.left+b.Rate*now.Sub(k.last).Seconds())
	k.last = now
	return k
}

// lastState returns the state that the call brings to the index, or "".
func lastState(op tasklog.Op) (state a2a.TaskState) {
	if op.Name == "Create" {
		return a2a.TaskStateSubmitted
	}
	for _, e := range op.Entries {
		if e.State != "" {
			state = e.State
		}
	}
	return state
}
