package wire

import (
	"bytes"
	"encoding/json"
	"slices"
	"strings"
)

// key is the name of an object's member: where it is in the JSON, quotes included.
type key struct{ begin, end int }

// camelKeys returns the JSON, which must be valid, with its keys in camelCase, as specification 5.5 wants them, where they are in
// snake_case: a parser of protocol buffers' JSON takes both. If an object has a key in both, the one in camelCase counts. What is the
// client's own, in metadata and in data parts, stays as it is.
//
// It decodes no values: they may be megabytes, and as maps take many times that.
func camelKeys(data []byte) []byte {
	if bytes.IndexByte(data, '_') < 0 {
		return data
	}
	var (
		keys  []key // of the objects that are open
		begin []int // of each open object, the place of its first key in keys
		snake []key // those to rename
	)
	for i := 0; i < len(data); i++ {
		switch data[i] {
		case '{':
			begin = append(begin, len(keys))
		case '}':
			first := begin[len(begin)-1]
			snake = append(snake, snakeKeys(data, keys[first:])...)
			begin, keys = begin[:len(begin)-1], keys[:first]
		case '"':
			k := key{i, stringEnd(data, i)}
			i = k.end - 1
			value, isKey := bytes.CutPrefix(bytes.TrimLeft(data[k.end:], " \t\r\n"), []byte(":"))
			if !isKey {
				continue
			}
			keys = append(keys, k)
			if name := camelKey(k.name(data)); strings.EqualFold(name, "metadata") || strings.EqualFold(name, "data") {
				i = len(data) - len(value) + valueLen(value) - 1
			}
		}
	}
	if len(snake) == 0 {
		return data
	}
	slices.SortFunc(snake, func(a, b key) int { return a.begin - b.begin })
	renamed, done := make([]byte, 0, len(data)), 0
	for _, k := range snake {
		name, _ := json.Marshal(camelKey(k.name(data)))
		renamed = append(append(renamed, data[done:k.begin]...), name...)
		done = k.end
	}
	return append(renamed, data[done:]...)
}

// snakeKeys returns those keys of an object that are in snake_case, but for those that are there in camelCase too: nobody knows these
// as they are.
func snakeKeys(data []byte, keys []key) (snake []key) {
	var names map[string]bool
	for _, k := range keys {
		name := k.name(data)
		camel := camelKey(name)
		if camel == name {
			continue
		}
		if names == nil {
			names = map[string]bool{}
			for _, k := range keys {
				names[k.name(data)] = true
			}
		}
		if !names[camel] {
			snake = append(snake, k)
		}
	}
	return snake
}

// name returns the key without quotes and escapes.
func (k key) name(data []byte) string {
	quoted := data[k.begin:k.end]
	if bytes.IndexByte(quoted, '\\') < 0 {
		return string(quoted[1 : len(quoted)-1])
	}
	var name string
	_ = json.Unmarshal(quoted, &name) // it is valid
	return name
}

func camelKey(k string) string {
	if !strings.Contains(k, "_") {
		return k
	}
	words := strings.Split(k, "_")
	for i, w := range words[1:] {
		if w != "" {
			words[i+1] = strings.ToUpper(w[:1]) + w[1:]
		}
	}
	return strings.Join(words, "")
}

// extent returns how many levels deep the objects and arrays in the JSON are nested, and how many values there are, about: an empty
// object counts as two.
func extent(data []byte) (depth, values int) {
	level := 0
	for i := 0; i < len(data); i++ {
		switch data[i] {
		case '"':
			i = stringEnd(data, i) - 1
		case '{', '[':
			level++
			depth = max(depth, level)
			values += 2
		case ',':
			values++
		case '}', ']':
			level--
		}
	}
	return depth, values
}

// valueLen returns how long the member's value is that the JSON begins with.
func valueLen(data []byte) int {
	depth := 0
	for i := 0; i < len(data); i++ {
		switch data[i] {
		case '"':
			i = stringEnd(data, i) - 1
		case '{', '[':
			depth++
		case '}', ']':
			if depth == 0 {
				return i // the end of the object
			}
			depth--
		case ',':
			if depth == 0 {
				return i
			}
		}
	}
	return len(data)
}

// stringEnd returns where the string ends that begins at i.
func stringEnd(data []byte, i int) int {
	for i++; i < len(data); i++ {
		switch data[i] {
		case '\\':
			i++
		case '"':
			return i + 1
		}
	}
	return len(data)
}
