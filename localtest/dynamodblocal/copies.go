package dynamodblocal

import (
	"context"
	"fmt"
	"hash/fnv"
	"maps"
	"strconv"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"golang.org/x/sync/errgroup"
)

// Item is an item of a table.
type Item = map[string]types.AttributeValue

// String and Number return values of attributes.
func String(s string) types.AttributeValue { return &types.AttributeValueMemberS{Value: s} }

func Number(n int64) types.AttributeValue {
	return &types.AttributeValueMemberN{Value: strconv.FormatInt(n, 10)}
}

// Read returns the item of a task with that sort key, or nil.
func Read(ctx context.Context, c *dynamodb.Client, table, id, sk string) (Item, error) {
	out, err := c.GetItem(ctx, &dynamodb.GetItemInput{TableName: &table, Key: Item{"pk": String(id), "sk": String(sk)}})
	if err != nil {
		return nil, err
	}
	return out.Item, nil
}

// Tasks puts n tasks into the table, many at once, which are unfinished by the index. They have copies of the items, each
// changed by change, of which the first is the head. It returns their ids.
func Tasks(
	ctx context.Context, c *dynamodb.Client, table string, n int, items []Item, change func(n int, it Item),
) ([]string, error) {
	ids := make([]string, n)
	var putting errgroup.Group
	putting.SetLimit(8)
	each := 25 / len(items) // BatchWriteItem takes no more
	for from := 0; from < n; from += each {
		putting.Go(func() error {
			var puts []types.WriteRequest
			for i := from; i < min(n, from+each); i++ {
				ids[i] = fmt.Sprintf("%08d-%d", i, n)
				for _, it := range items {
					it = maps.Clone(it)
					it["pk"] = String(ids[i])
					if isUnfinished(it) {
						h := fnv.New32a()
						_, _ = h.Write([]byte(ids[i]))
						it["run"] = String(strconv.Itoa(int(h.Sum32() % 8)))
					}
					if change != nil {
						change(i, it)
					}
					puts = append(puts, types.WriteRequest{PutRequest: &types.PutRequest{Item: it}})
				}
			}
			for len(puts) > 0 {
				out, err := c.BatchWriteItem(ctx, &dynamodb.BatchWriteItemInput{RequestItems: map[string][]types.WriteRequest{table: puts}})
				if err != nil {
					return err
				}
				puts = out.UnprocessedItems[table]
			}
			return nil
		})
	}
	return ids, putting.Wait()
}

// isUnfinished reports whether the item is, or would be after the next sweep, in the index of
// unfinished tasks.
func isUnfinished(it Item) bool {
	if it["run"] != nil {
		return true
	}
	state, _ := it["s"].(*types.AttributeValueMemberS)
	return state != nil && it["li"] != nil && it["ep"] == nil &&
		(state.Value == "TASK_STATE_SUBMITTED" || state.Value == "TASK_STATE_WORKING")
}
