package dynamolog

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/a2aproject/a2a-go/v2/a2a"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"a2alambda/internal/push"
	"a2alambda/internal/tasklog"
)

// A task has places for push.MaxConfigs configurations. Which have one is in an item of its own,
// which a transaction changes together with the configuration: so there are never more, however
// many are put and deleted at the same time, and no place is lost if a process dies in the middle.
// https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/transaction-apis.html
//
// A configuration that a former version of this program has put has no place. If that version
// deletes one, its place stays taken until the same configuration is put and deleted again.

const (
	skConfigs   = "N"  // the number of configurations
	attrConfigs = "pl" // SS: on places: the configurations that have one, see place
)

// transactTries is how often a transaction is tried if it meets others, and transactPause the first
// pause between two tries.
const (
	transactTries = 10
	transactPause = 10 * time.Millisecond
)

// place returns the name of a configuration's place. It is short, and as good as unique: ids come
// from clients.
func place(config string) string {
	hash := sha256.Sum256([]byte(config))
	return base64.RawStdEncoding.EncodeToString(hash[:15])
}

// putInPlace puts a configuration that is not there, and returns true. It returns false if it is
// there by now. It costs four write units.
func (s *Pushes) putInPlace(ctx context.Context, it item, config string) (bool, error) {
	id := place(config)
	e := write().set(attrTTL, it[attrTTL]).add(attrConfigs, id).
		when("attribute_not_exists(?) OR size(?) < ? OR contains(?, ?)", attrConfigs, attrConfigs, num(push.MaxConfigs), attrConfigs, str(id))
	absent := write().when("attribute_not_exists(?)", attrPK)
	failed, err := s.log.transact(ctx,
		types.TransactWriteItem{Put: &types.Put{
			TableName: &s.log.table, Item: it,
			ConditionExpression: &absent.condition, ExpressionAttributeNames: absent.names,
		}},
		s.log.transactUpdate(a2a.TaskID(it.str(attrPK)), skConfigs, e),
	)
	if err == nil && failed == 1 {
		err = push.ErrFull
	}
	return failed < 0 && err == nil, err
}

// deleteInPlace deletes a configuration, if it is there, and frees its place. It returns false if no
// configuration of the task has one. It costs four write units.
func (s *Pushes) deleteInPlace(ctx context.Context, id a2a.TaskID, config string) (bool, error) {
	failed, err := s.log.transact(ctx,
		types.TransactWriteItem{Delete: &types.Delete{
			TableName: &s.log.table, Key: item{attrPK: str(string(id)), attrSK: str(skPush + config)},
		}},
		s.log.transactUpdate(id, skConfigs, write().drop(attrConfigs, place(config)).when("attribute_exists(?)", attrPK)),
	)
	return failed < 0, err
}

func (l *Log) transactUpdate(id a2a.TaskID, sk string, e *expression) types.TransactWriteItem {
	update := e.update()
	return types.TransactWriteItem{Update: &types.Update{
		TableName: &l.table, Key: item{attrPK: str(string(id)), attrSK: str(sk)},
		UpdateExpression: &update, ConditionExpression: &e.condition,
		ExpressionAttributeNames: e.names, ExpressionAttributeValues: e.values,
	}}
}

// transact does all of the writes, or none. It returns the index of the first whose condition does
// not hold, or -1. It waits for others that change the same items.
func (l *Log) transact(ctx context.Context, writes ...types.TransactWriteItem) (failed int, err error) {
	for try := 1; ; try++ {
		_, err = l.client.TransactWriteItems(ctx, &dynamodb.TransactWriteItemsInput{TransactItems: writes})
		canceled := (*types.TransactionCanceledException)(nil)
		if !errors.As(err, &canceled) {
			return -1, err
		}
		again, throttled := false, false
		for i, r := range canceled.CancellationReasons {
			code := ""
			if r.Code != nil {
				code = *r.Code
			}
			switch code {
			case "ConditionalCheckFailed":
				return i, nil
			case "TransactionConflict":
				again = true
			case "ThrottlingError", "ProvisionedThroughputExceeded":
				throttled = true
			}
		}
		switch {
		case throttled && try > triesSoon:
			return -1, fmt.Errorf("%w: %w", tasklog.ErrThrottled, err)
		case !throttled && !again || try == transactTries:
			return -1, err
		}
		pause := transactPause << min(try, 5)
		select {
		case <-time.After(pause/2 + rand.N(pause)):
		case <-ctx.Done():
			return -1, ctx.Err()
		}
	}
}
