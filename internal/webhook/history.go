package webhook

import (
	"slices"
	"sort"
)

// history has the newest messages of a task's history, as JSON.
type history struct {
	data     []byte // the messages, with commas between them; only ever longer, or another array
	messages []kept
	own      int64 // bytes of the caller's own messages, since the beginning
	left     bool  // there are older messages
}

// kept is a message in data.
type kept struct {
	at  int   // where it begins
	own bool  // it is the caller's own content
	had int64 // own without it and the later ones
}

// add adds the next message. One that is longer than a body is left out, with all before it. It
// has no JSON then.
func (h *history) add(message []byte, own bool) {
	if len(message) == 0 || len(message) > maxTaskBytes {
		*h = history{left: true}
		return
	}
	if len(h.data)+len(message) > 2*maxTaskBytes {
		h.shorten()
	}
	if len(h.messages) > 0 {
		h.data = append(h.data, ',')
	}
	h.messages = append(h.messages, kept{len(h.data), own, h.own})
	if h.data = append(h.data, message...); own {
		h.own += int64(len(message))
	}
}

// shorten forgets the messages that have no place in a body. An earlier body may still have their
// array.
func (h *history) shorten() {
	i := h.newest(maxTaskBytes)
	h.left = h.left || i > 0
	h.messages = slices.Clone(h.messages[i:])
	if len(h.messages) == 0 {
		h.data = nil
		return
	}
	from := h.messages[0].at
	h.data = slices.Clone(h.data[from:])
	for i := range h.messages {
		h.messages[i].at -= from
	}
}

// newest returns the first of the newest messages that have this many bytes together at most.
func (h *history) newest(room int) int {
	return sort.Search(len(h.messages), func(i int) bool { return len(h.data)-h.messages[i].at <= room })
}

// end returns where a message ends.
func (h *history) end(i int) int {
	if i+1 < len(h.messages) {
		return h.messages[i+1].at - 1
	}
	return len(h.data)
}

// newestOf returns the JSON of the newest messages that fit, in pieces, how much of it is the
// caller's own content, and whether something is left out. Without own, that content is.
func (h *history) newestOf(room int, own bool) (pieces [][]byte, owned int64, left bool) {
	if own || h.own == 0 {
		i := h.newest(room)
		if i == len(h.messages) {
			return nil, 0, h.left || i > 0
		}
		return [][]byte{h.data[h.messages[i].at:]}, h.own - h.messages[i].had, h.left || i > 0
	}
	left = h.left
	for i := len(h.messages) - 1; i >= 0; i-- {
		m := h.data[h.messages[i].at:h.end(i)]
		if h.messages[i].own {
			left = true
			continue
		}
		if room -= len(m) + 1; room < -1 {
			left = true
			break
		}
		pieces = append(pieces, m, comma)
	}
	if len(pieces) == 0 {
		return nil, 0, left
	}
	pieces = pieces[:len(pieces)-1]
	slices.Reverse(pieces)
	return pieces, 0, left
}
