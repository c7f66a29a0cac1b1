package webhook

import (
	"cmp"
	"container/list"
	"encoding/json"
	"hash/maphash"
	"maps"
	"slices"

	"github.com/a2aproject/a2a-go/v2/a2a"

	"a2alambda/internal/a2a03"
	"a2alambda/internal/jsonline"
)

// maxArtifactsBytes is how much JSON of artifacts is kept for later bodies. It is more than a body
// has: one that grows until it no longer fits makes room for others.
const maxArtifactsBytes = 2 * maxTaskBytes

// artifacts has those artifacts of a task that can be in a body, as JSON: none that is longer than
// a body, and of the others those that were changed last. What was left out stays out until the
// agent sends it anew, also if there is room again.
type artifacts struct {
	order  []*artifact // by place; some are gone
	gone   int         // how many of these
	recent list.List   // of *artifact: those that are not gone, the last change first
	bytes  int         // of these
	keys   int         // in the metadata of these
	known  map[uint64]*artifact
	out    map[uint64]int // the places of those that were left out: ids may take much memory
	number int            // of both
	body   int            // the number of the last body
}

// artifact is an artifact in pieces of JSON.
type artifact struct {
	id    uint64
	place int          // among the task's artifacts
	bare  a2a.Artifact // without parts; the values of its metadata are JSON
	head  []byte       // up to its parts
	parts []byte       // only ever longer, or another array
	open  bool         // the last part is a text; its end is not in parts, since more may come
	some  bool         // it has parts
	gone  bool
	in    int // the number of the last body that it is in
	at    *list.Element
}

// seed is for the ids of artifacts. Nobody outside can make two of them equal.
var seed = maphash.MakeSeed()

// pieces of JSON
var (
	comma     = []byte(",")
	ends      = []byte("]}")
	endsOpen  = []byte(`"}]}`)
	openText  = []byte(`{"kind":"text","text":"`)
	closeText = []byte(`"}`)
)

func (a *artifact) end() []byte {
	if a.open {
		return endsOpen
	}
	return ends
}

// size returns the length of the JSON, with a comma.
func (a *artifact) size() int { return len(a.head) + len(a.parts) + len(a.end()) + 1 }

// update applies an event as [tasklog.Fold] does.
func (s *artifacts) update(update *a2a.Artifact, more bool) error {
	id := maphash.String(seed, string(update.ID))
	a := s.known[id]
	place, out := s.out[id]
	if more && out {
		return nil
	}
	if a == nil {
		more = false
		if a = (&artifact{id: id, place: place}); !out {
			a.place = s.number
			s.number++
		}
		s.keep(a)
	} else {
		s.count(a, -1)
	}
	if !more {
		a.bare = *update
		a.bare.Parts, a.bare.Metadata = nil, nil
		a.parts, a.open, a.some = nil, false, false
	}
	if err := a.describe(update.Metadata, !more); err != nil {
		return err
	}
	for _, p := range update.Parts {
		if err := a.add(p); err != nil {
			return err
		}
		if len(a.parts) > maxTaskBytes {
			break
		}
	}
	s.count(a, 1)
	s.recent.MoveToFront(a.at)
	if a.size() > maxTaskBytes {
		s.leave(a)
	}
	for s.bytes > maxArtifactsBytes {
		s.leave(s.recent.Back().Value.(*artifact))
	}
	return nil
}

// count adds an artifact to the sums, or takes it from them.
func (s *artifacts) count(a *artifact, sign int) {
	s.bytes += sign * a.size()
	s.keys += sign * len(a.bare.Metadata)
}

// keep adds a new artifact, which has no size yet.
func (s *artifacts) keep(a *artifact) {
	if s.known == nil {
		s.known, s.out = map[uint64]*artifact{}, map[uint64]int{}
	}
	delete(s.out, a.id)
	s.known[a.id] = a
	a.at = s.recent.PushFront(a)
	i, _ := slices.BinarySearchFunc(s.order, a.place, func(a *artifact, place int) int { return cmp.Compare(a.place, place) })
	s.order = slices.Insert(s.order, i, a)
}

// leave leaves an artifact out of all bodies.
func (s *artifacts) leave(a *artifact) {
	s.count(a, -1)
	s.recent.Remove(a.at)
	delete(s.known, a.id)
	s.out[a.id] = a.place
	*a = artifact{place: a.place, gone: true}
	if s.gone++; s.gone > len(s.order)/2 {
		s.order = slices.DeleteFunc(s.order, func(a *artifact) bool { return a.gone })
		s.gone = 0
	}
}

// describe adds metadata, and writes the head if they or the artifact are new.
func (a *artifact) describe(metadata map[string]any, anew bool) error {
	if len(metadata) == 0 && !anew {
		return nil
	}
	values, err := encoded(metadata)
	if err != nil {
		return err
	}
	if a.bare.Metadata == nil {
		a.bare.Metadata = values
	} else {
		maps.Copy(a.bare.Metadata, values)
	}
	head, err := a2a03.EncodeArtifact(&a.bare)
	if err != nil {
		return err
	}
	a.head = head[:len(head)-len(ends)]
	return nil
}

// add adds a part. Neighbouring texts become one: see [tasklog.JoinTexts].
func (a *artifact) add(p *a2a.Part) error {
	text, ok := p.Content.(a2a.Text)
	bare := ok && len(p.Metadata) == 0 && p.MediaType == "" && p.Filename == ""
	if a.open && !bare {
		a.parts = append(a.parts, closeText...)
	}
	if a.some && !(a.open && bare) {
		a.parts = append(a.parts, ',')
	}
	if bare && !a.open {
		a.parts = append(a.parts, openText...)
	}
	a.open, a.some = bare, true
	if !bare {
		data, err := a2a03.EncodePart(p)
		a.parts = append(a.parts, data...)
		return err
	}
	data, err := jsonline.Marshal(string(text))
	if err == nil {
		a.parts = append(a.parts, data[1:len(data)-1]...)
	}
	return err
}

// choose marks the artifacts of the next body: all that fit, beginning with the one that was
// changed last. It returns the number of these.
func (s *artifacts) choose(room int) (n int) {
	s.body++
	all := s.bytes <= room
	for e := s.recent.Front(); e != nil; e = e.Next() {
		if a := e.Value.(*artifact); all || a.size() <= room {
			a.in = s.body
			room -= a.size()
			n++
		}
	}
	return n
}

// encoded returns the metadata with JSON as its values, which takes less memory.
func encoded(metadata map[string]any) (map[string]any, error) {
	if len(metadata) == 0 {
		return nil, nil
	}
	values := make(map[string]any, len(metadata))
	for k, v := range metadata {
		data, err := jsonline.Marshal(v)
		if err != nil {
			return nil, err
		}
		values[k] = json.RawMessage(data)
	}
	return values, nil
}
