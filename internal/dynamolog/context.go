package dynamolog

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/a2aproject/a2a-go/v2/a2a"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"

	"a2alambda/internal/tasklog"
)

// A context has an item for each of its tasks. Its partition key follows from the scope and the id
// of the context. Its sort key consists of the time when the task was created, its id, and its
// writer. The item is put before the task is created, never changes, and expires with the task.
// Tasks of earlier versions have none.
//
// The task that a context began with has no item if the id of one follows from that of the other:
// see [tasklog.ContextOf].

// inContextKey returns the partition key of a context's items. No task has such an id.
func inContextKey(s tasklog.Scope, contextID string) string {
	h := sha256.New()
	fmt.Fprintf(h, "%d %d %s%s%s", len(s.Owner), len(s.Tenant), s.Owner, s.Tenant, contextID)
	return "ctx#" + base64.RawURLEncoding.EncodeToString(h.Sum(nil)[:16])
}

// putInContext puts the item of a task that the writer is about to create, and returns its key, or
// nil if the task has none.
func (l *Log) putInContext(ctx context.Context, h tasklog.Head, at time.Time, writer string) (item, error) {
	if h.Begins && h.ContextID == tasklog.ContextOf(h.ID) {
		return nil, nil
	}
	key := item{
		attrPK: str(inContextKey(h.Scope, h.ContextID)),
		attrSK: str(position(tasklog.Position{Time: at, ID: h.ID}) + "#" + writer),
	}
	_, err := l.put(ctx, item{attrPK: key[attrPK], attrSK: key[attrSK], attrTTL: num(h.Expires.Unix())}, ifNew(""))
	return key, err
}

// deleteInContext deletes the item if another writer has created the task: that writer has put its
// own item. If this fails, the context has two items for the task.
func (l *Log) deleteInContext(ctx context.Context, key item) {
	if key == nil {
		return
	}
	_, _ = l.client.DeleteItem(ctx, &dynamodb.DeleteItemInput{TableName: &l.table, Key: key})
}

// InContext implements [tasklog.Index]. It costs one read unit for each 4 KB, some 30 tasks, and one
// for the task that the context began with.
func (l *Log) InContext(ctx context.Context, s tasklog.Scope, contextID string, limit int) ([]a2a.TaskID, error) {
	page, err := l.query(ctx, a2a.TaskID(inContextKey(s, contextID)), "0", ":", nil, false, int32(limit))
	if err != nil {
		return nil, fmt.Errorf("dynamolog: finding the tasks of a context: %w", err)
	}
	var ids []a2a.TaskID
	for _, it := range page.Items {
		id, _, _ := strings.Cut(string(parsePosition(it.str(attrSK)).ID), "#")
		if id := a2a.TaskID(id); !slices.Contains(ids, id) {
			ids = append(ids, id)
		}
	}
	if id := tasklog.FirstIn(contextID); id != "" && len(ids) < limit && !slices.Contains(ids, id) {
		head, err := l.head(ctx, id)
		switch {
		case errors.Is(err, tasklog.ErrNotFound):
		case err != nil:
			return nil, fmt.Errorf("dynamolog: finding the first task of a context: %w", err)
		case head.str(attrContext) == contextID && head.str(attrOwner) == s.Owner && head.str(attrTenant) == s.Tenant:
			ids = append(ids, id)
		}
	}
	return ids, nil
}
