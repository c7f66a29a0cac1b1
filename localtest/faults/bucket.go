package faults

import (
	"encoding/json"
	"regexp"
	"slices"
	"strings"
	"sync"
	"time"
)

// Index is an index of the table. A write to one of its partition keys takes units from that key's
// bucket. If there are too few, the table's write is refused.
// https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/gsi-throttling.html
type Index struct {
	// Key is the attribute that is the partition key. Items without it are not in the index.
	Key string
	// Others are the other attributes in the index. A write that changes none of all these is free.
	Others []string
	// Rate is how many write units each key gets in a second, and how many it can hold.
	Rate float64
}

// Bucket refuses writes by the partition key, as DynamoDB does. Random faults never show that all
// writes go to one key; this does. Several proxies for one table may share it. It must see each put
// that brings an item into an index.
type Bucket struct {
	mu      sync.Mutex // guards what follows
	indexes []Index
	tokens  map[string]*tokens           // by index and key
	entries map[string]map[string]string // by item, its keys in the indexes
	refused int
}

type tokens struct {
	left float64
	last time.Time // when left was right
}

// Set changes the indexes for later writes. A key keeps its units, up to its new rate.
func (b *Bucket) Set(indexes ...Index) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.indexes = indexes
}

// Refused returns how many writes were refused.
func (b *Bucket) Refused() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.refused
}

// write is the part of a PutItem or UpdateItem that a bucket needs.
type write struct {
	Item, Key                 map[string]map[string]any
	UpdateExpression          string
	ExpressionAttributeNames  map[string]string
	ExpressionAttributeValues map[string]map[string]any
}

// assignment is a SET or REMOVE of an attribute, in the form of this project's expressions.
var assignment = regexp.MustCompile(`(#\w+)(?: = (:\w+))?`)

// takes reports whether there are units for a write, and takes them: one from each index that the
// write changes, and two if it moves an entry to another key. It ignores that a condition may fail.
func (b *Bucket) takes(operation string, body []byte) bool {
	if operation == "BatchExecuteStatement" {
		return b.takesAll(body)
	}
	if operation != "PutItem" && operation != "UpdateItem" {
		return true
	}
	var w write
	if json.Unmarshal(body, &w) != nil {
		return true
	}
	key, changed := w.Key, map[string]map[string]any{}
	if operation == "PutItem" {
		key, changed = w.Item, w.Item
	}
	for _, set := range assignment.FindAllStringSubmatch(w.UpdateExpression, -1) {
		if name := w.ExpressionAttributeNames[set[1]]; name != "" {
			changed[name] = w.ExpressionAttributeValues[set[2]] // nil if it is removed
		}
	}
	item := text(key["pk"]) + " " + text(key["sk"])

	b.mu.Lock()
	defer b.mu.Unlock()
	was, is := b.entries[item], map[string]string{}
	units := map[string]float64{}
	for _, index := range b.indexes {
		before := was[index.Key]
		after := before
		if v, ok := changed[index.Key]; ok {
			after = text(v)
		}
		if after != "" {
			is[index.Key] = after
		}
		touched := after != before || slices.ContainsFunc(index.Others, func(name string) bool { _, ok := changed[name]; return ok })
		for _, k := range []string{before, after} {
			if touched && k != "" {
				units[index.Key+" "+k]++
			}
		}
	}
	for bucket, n := range units {
		if b.of(bucket).left < n {
			b.refused++
			return false
		}
	}
	for bucket, n := range units {
		b.tokens[bucket].left -= n
	}
	if b.entries == nil {
		b.entries = make(map[string]map[string]string)
	}
	if len(is) > 0 {
		b.entries[item] = is
	} else {
		delete(b.entries, item)
	}
	return true
}

// attribute is one in an INSERT, in the form of this project's statements.
var attribute = regexp.MustCompile(`'(\w+)':\?`)

// takesAll is takes for statements that insert items. DynamoDB would refuse some of them; this refuses
// all if there are too few units for one.
func (b *Bucket) takesAll(body []byte) bool {
	var batch struct {
		Statements []struct {
			Statement  string
			Parameters []map[string]any
		}
	}
	if json.Unmarshal(body, &batch) != nil {
		return true
	}
	for _, s := range batch.Statements {
		item := map[string]map[string]any{}
		for i, name := range attribute.FindAllStringSubmatch(s.Statement, -1) {
			item[name[1]] = s.Parameters[i]
		}
		put, err := json.Marshal(write{Item: item})
		if err == nil && !b.takes("PutItem", put) {
			return false
		}
	}
	return true
}

// of returns the bucket of a key of an index, filled up to this moment. The caller holds b.mu.
func (b *Bucket) of(key string) *tokens {
	rate := 0.0
	for _, index := range b.indexes {
		if strings.HasPrefix(key, index.Key+" ") {
			rate = index.Rate
		}
	}
	now := time.Now()
	t := b.tokens[key]
	if t == nil {
		if b.tokens == nil {
			b.tokens = make(map[string]*tokens)
		}
		t = &tokens{left: rate, last: now}
		b.tokens[key] = t
	}
	t.left = min(rate, t.left+rate*now.Sub(t.last).Seconds())
	t.last = now
	return t
}

// text returns the string in an attribute value, or "".
func text(value map[string]any) string {
	s, _ := value["S"].(string)
	return s
}
