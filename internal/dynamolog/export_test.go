package dynamolog

import "time"

// SetLag has heads told of states after another time than statusLag.
func (l *Log) SetLag(d time.Duration) { l.lag = d }

// SetExamined has lists look at fewer tasks.
func (l *Log) SetExamined(n int) { l.examined = n }

// ListKey and InContextKey are those of the indexes.
var ListKey, InContextKey = listKey, inContextKey
