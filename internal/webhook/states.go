package webhook

import (
	"context"
	"slices"
	"sync"

	"a2alambda/internal/memory"
	"a2alambda/internal/push"
)

// maxStatesBytes is how much memory the states take that a process keeps for the next wake-ups, and
// maxStates how many these are.
const (
	maxStatesBytes = 16 << 20
	maxStates      = 256
)

// states keeps the states of the deliveries that ended last. A log never changes where it was read,
// so the next delivery reads on from there. Without its state it reads the log from the beginning.
// The zero value has none.
type states struct {
	mu   sync.Mutex
	last []keptState // the newest at the end
	size int64
}

type keptState struct {
	ref     push.Ref
	state   *state
	size    int64
	account *memory.Account
}

// take returns the state of a configuration as of an event that was delivered, or an empty one. It
// belongs to the caller.
func (k *states) take(ref push.Ref, after int64) *state {
	k.mu.Lock()
	defer k.mu.Unlock()
	i := slices.IndexFunc(k.last, func(s keptState) bool { return s.ref == ref })
	if i < 0 {
		return new(state)
	}
	s := k.last[i].state
	k.drop(i)
	if s.seq > after { // another delivery has to send what is between
		return new(state)
	}
	return s
}

// keep keeps a state, if there is memory for it. The caller may no longer use it.
func (k *states) keep(ref push.Ref, s *state) {
	size := s.size()
	if s.err != nil || !s.begun || size > maxStatesBytes {
		return
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	if i := slices.IndexFunc(k.last, func(s keptState) bool { return s.ref == ref }); i >= 0 {
		k.drop(i)
	}
	for len(k.last) > 0 && (k.size+size > maxStatesBytes || len(k.last) >= maxStates) {
		k.drop(0)
	}
	ctx, account := memory.Open(context.Background())
	if memory.Charge(ctx, "state", size) != nil {
		account.Close()
		return
	}
	k.last = append(k.last, keptState{ref, s, size, account})
	k.size += size
}

func (k *states) drop(i int) {
	k.size -= k.last[i].size
	k.last[i].account.Close()
	k.last = slices.Delete(k.last, i, i+1)
}

// clear drops all states.
func (k *states) clear() {
	k.mu.Lock()
	defer k.mu.Unlock()
	for len(k.last) > 0 {
		k.drop(0)
	}
}

// charge is [memory.Charge]. If there is too little memory, the delivery gets that of the states.
func (d *delivery) charge(ctx context.Context, what string, bytes int64) error {
	err := memory.Charge(ctx, what, bytes)
	if err != nil {
		d.states.clear()
		err = memory.Charge(ctx, what, bytes)
	}
	return err
}
