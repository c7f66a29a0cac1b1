package tasklog

import (
	"encoding/json"

	"github.com/a2aproject/a2a-go/v2/a2a"
)

// SentBytes returns how many bytes a caller has sent in a message, or fewer: no JSON of what is in
// it is shorter. The JSON in a log may be much longer than what was sent: a character takes up to
// six bytes there, and a number of four takes twenty.
func SentBytes(m *a2a.Message) int64 {
	if m == nil {
		return 0
	}
	n := len(m.ID) + sentIn(m.Metadata)
	for _, e := range m.Extensions {
		n += len(e)
	}
	for _, r := range m.ReferenceTasks {
		n += len(r)
	}
	for _, p := range m.Parts {
		if p == nil {
			continue
		}
		n += len(p.MediaType) + len(p.Filename) + sentIn(p.Metadata)
		switch c := p.Content.(type) {
		case a2a.Text:
			n += len(c)
		case a2a.Raw:
			n += (4*len(c) + 2) / 3
		case a2a.URL:
			n += len(c)
		case a2a.Data:
			n += sentIn(c.Value)
		}
	}
	return int64(n)
}

// sentIn is SentBytes of a JSON value as [Decode] returns it.
func sentIn(v any) (n int) {
	switch v := v.(type) {
	case string:
		return len(v) + len(`""`)
	case json.Number, float64, bool, nil:
		return 1 // of a number, whose text may have grown
	case []any:
		for _, one := range v {
			n += sentIn(one) + len(",")
		}
		return n + 1
	case map[string]any:
		for k, one := range v {
			n += len(k) + len(`"":,`) + sentIn(one)
		}
		if v == nil {
			return 0
		}
		return n + 1
	}
	return 0
}
