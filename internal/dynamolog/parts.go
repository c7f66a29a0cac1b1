package dynamolog

import (
	"context"
	"errors"
	"hash/maphash"
	"maps"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/a2aproject/a2a-go/v2/a2a"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"

	"a2alambda/internal/tasklog"
)

const (
	// partsAtOnce bounds the requests under way for one body.
	partsAtOnce = 4

	// partWithin is how long one try of a part may take.
	partWithin = 6 * time.Second

	// partPause is the least time that a throttled part waits for its next try. The most is half as
	// long again.
	partPause = 250 * time.Millisecond

	// partSoon is how many tries each part has in a context that gives up soon, while no part of
	// its body is there.
	partSoon = 3
)

// parts are the parts of one body that are in the table, so that a repeated put writes only the
// others. Its zero value has none.
type parts struct {
	mu    sync.Mutex
	ref   string
	there map[int]uint64 // by their number, a hash of what they hold
}

var partSeed = maphash.MakeSeed()

// of makes them parts of the body with the ref. It forgets those of another body.
func (p *parts) of(ref string) {
	if p.ref != ref {
		p.ref, p.there = ref, make(map[int]uint64)
	}
}

func (p *parts) has(i int, part []byte) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	hash, there := p.there[i]
	return there && hash == maphash.Bytes(partSeed, part)
}

func (p *parts) add(i int, part []byte) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.there[i] = maphash.Bytes(partSeed, part)
}

func (p *parts) none() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.there) == 0
}

// putParts puts the parts of a body that are not in the table. After an error it begins no more,
// but waits for those under way: a part that is given up may still be written, and would be paid
// for twice.
func (l *Log) putParts(
	ctx context.Context, id a2a.TaskID, expires time.Time, ref string, body []byte, have *parts,
) error {
	have.of(ref)
	ctx, cancel := context.WithTimeout(ctx, tasklog.AppendWithin(len(body)))
	defer cancel()
	failed := make(chan error, partsAtOnce)
	slots := make(chan struct{}, partsAtOnce)
	var wg sync.WaitGroup
	size := l.large.partSize(len(body))
	for i := 0; len(body) > 0 && len(failed) == 0; i++ {
		part := body[:min(len(body), size)]
		body = body[len(part):]
		if have.has(i, part) {
			continue
		}
		slots <- struct{}{}
		wg.Go(func() {
			defer func() { <-slots }()
			var it item
			err := insist(ctx, len(part), func(ctx context.Context) (err error) {
				it, err = l.part(ctx, id, expires, ref, i, part)
				return err
			}, have.none)
			if err == nil {
				err = insist(ctx, 0, func(ctx context.Context) error { return l.putPartItem(ctx, it) }, have.none)
			}
			if err == nil {
				have.add(i, part)
				return
			}
			select {
			case failed <- err:
			default:
			}
		})
	}
	wg.Wait()
	select {
	case err := <-failed:
		return err
	default:
		return nil
	}
}

// insist calls put, which puts a part of that many bytes, until it is taken or ctx is done. The SDK
// waits longer after each try, and gives up at the fourth. That does not suit items that each need a
// third of what a partition takes in a second.
func insist(ctx context.Context, size int, put func(context.Context) error, none func() bool) error {
	for tried := 1; ; tried++ {
		within := partWithin + 2*time.Duration(size)*time.Second/(1<<20)
		try, cancel := context.WithTimeout(context.WithValue(ctx, partKey{}, true), within)
		err := put(try)
		cancel()
		if !errors.Is(err, tasklog.ErrThrottled) || tasklog.GivesUpSoon(ctx) && tried >= partSoon && none() {
			return err
		}
		select {
		case <-time.After(partPause + rand.N(partPause/2)):
		case <-ctx.Done():
			return err
		}
	}
}

func (l *Log) putPart(ctx context.Context, id a2a.TaskID, expires time.Time, ref string, i int, part []byte) error {
	it, err := l.part(ctx, id, expires, ref, i, part)
	if err != nil {
		return err
	}
	return l.putPartItem(ctx, it)
}

// part returns the item of a part. A large part it puts into the bucket, so that it is there before
// the item refers to it.
func (l *Log) part(
	ctx context.Context, id a2a.TaskID, expires time.Time, ref string, i int, part []byte,
) (item, error) {
	it := item{attrPK: str(string(id)), attrSK: str(skPart(ref, i)), attrTTL: num(expires.Unix())}
	if !l.large.takes(len(part)) {
		it[attrBody] = bin(part)
		return it, nil
	}
	object, err := l.large.put(ctx, id, expires, ref, i, part)
	maps.Copy(it, object)
	return it, err
}

func (l *Log) putPartItem(ctx context.Context, it item) error {
	_, err := l.client.PutItem(ctx, &dynamodb.PutItemInput{TableName: &l.table, Item: it})
	return err
}
