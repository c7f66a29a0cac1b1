package dynamolog

import (
	"time"

	"github.com/a2aproject/a2a-go/v2/a2a"

	"a2alambda/internal/tasklog"
)

// SetLag replaces statusLag.
func (l *Log) SetLag(d time.Duration) { l.lag = d }

// SetExamined has lists examine fewer tasks.
func (l *Log) SetExamined(n int) { l.examined = n }

// ListKey and InContextKey return keys of the indexes.
var ListKey, InContextKey = listKey, inContextKey

// ShardOf returns the shard that has the looks at a task.
func ShardOf(id a2a.TaskID) int { return spread(id, tasklog.Shards) }

// ShareAll has each put of a new item wait for others, also after requests that failed.
func (l *Log) ShareAll() {
	l.Share()
	l.inserts.alone, l.inserts.pause = 0, 0
}

const (
	InsertMost = insertMost
	InsertGap  = insertGap
	InsertRest = insertRest
)
