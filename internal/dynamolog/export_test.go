package dynamolog

import "time"

// SetLag replaces statusLag.
func (l *Log) SetLag(d time.Duration) { l.lag = d }

// SetExamined has lists examine fewer tasks.
func (l *Log) SetExamined(n int) { l.examined = n }

// ListKey and InContextKey return keys of the indexes.
var ListKey, InContextKey = listKey, inContextKey
