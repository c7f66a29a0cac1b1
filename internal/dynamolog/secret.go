package dynamolog

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"sync"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"

	"a2alambda/internal/tasklog"
)

// The item of the secret has it in the attribute b. No task has such an id. The item has no ttl: it
// lives as long as the table.
const (
	pkSecret = "deployment"
	skSecret = "secret"
)

// secret is what this process knows of the table's secret.
type secret struct {
	mu    sync.Mutex // held while the table is asked
	bytes []byte     // nil before it is known
}

// Secret implements [tasklog.Store]. The first call costs a read unit, and in a new table a write
// unit; later ones cost nothing.
func (l *Log) Secret(ctx context.Context) ([]byte, error) {
	l.secret.mu.Lock()
	defer l.secret.mu.Unlock()
	if l.secret.bytes == nil {
		read, err := l.readSecret(ctx)
		if err != nil {
			return nil, fmt.Errorf("dynamolog: reading the secret: %w", err)
		}
		l.secret.bytes = read
	}
	return l.secret.bytes, nil
}

func (l *Log) readSecret(ctx context.Context) ([]byte, error) {
	key := item{attrPK: str(pkSecret), attrSK: str(skSecret)}
	out, err := l.client.GetItem(ctx, &dynamodb.GetItemInput{TableName: &l.table, Key: key, ConsistentRead: aws.Bool(true)})
	if err != nil {
		return nil, err
	}
	stored := item(out.Item)
	if stored == nil {
		made := make([]byte, tasklog.SecretBytes)
		_, _ = rand.Read(made) // never fails
		it := item{attrPK: key[attrPK], attrSK: key[attrSK], attrBody: bin(made)}
		// If several processes make one at the same time, one of them wins, and the others get its
		// secret.
		existing, err := l.put(ctx, it, ifNew(""))
		if err != nil {
			return nil, err
		}
		if stored = it; existing != nil {
			stored = existing
		}
	}
	if b := stored.bin(attrBody); len(b) == tasklog.SecretBytes {
		return b, nil
	}
	return nil, errors.New("the item is not what it should be") // another would change ids
}
