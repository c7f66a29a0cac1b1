package dynamolog

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/a2aproject/a2a-go/v2/a2a"

	"a2alambda/internal/tasklog"
)

// maxGist is how many events each list of a gist may have.
const maxGist = 8

// gist says what the log up to a batch or head has brought, and which events have the rest. It is in
// each of them, so that a reader of the newest one knows which others it needs. It is immutable. A
// nil gist knows nothing: an item of a former version has none.
type gist struct {
	status int64         // the event that brought the state
	state  a2a.TaskState // that the task is in
	at     int64         // since when, in ms since 1970; 0 if the event does not say
	said   bool          // the status has a message
	sent   int64         // see tasklog.Snapshot

	// Each list is lost if it would be too long. Then load must look.
	metadata     []int64 // the events that brought the task's metadata
	lostMetadata bool

	artifacts     [][]int64        // for each artifact, in their order, the events that brought it
	ids           []a2a.ArtifactID // of them; nil in a gist that was read
	lostArtifacts bool

	history []int64 // the events that brought the last messages
	older   bool    // there are others before
}

// next returns the gist with one more event.
func (g *gist) next(seq int64, e tasklog.Entry) *gist {
	b := e.Brings
	switch {
	case g == nil && !b.Task, !b.Known:
		return nil
	case g != nil && g.state.Terminal():
		return g // what comes after the end does not count
	}
	n := gist{}
	if g != nil && !b.Task {
		n = *g
		n.metadata, n.history = slices.Clip(n.metadata), slices.Clip(n.history)
	}
	if e.State != "" {
		if n.said {
			n.remember(n.status)
		}
		n.status, n.state, n.at, n.said = seq, e.State, 0, b.Status
		if !e.Time.IsZero() {
			n.at = e.Time.UnixMilli()
		}
	}
	switch {
	case b.Messages == 1 && !b.Status:
		n.remember(seq)
	case b.Messages > 0: // an event is in the history for one message
		n.history, n.older = nil, true
	}
	n.sent += b.Sent
	if b.Metadata {
		n.metadata = append(n.metadata, seq)
	}
	if n.lostMetadata = n.lostMetadata || len(n.metadata) > maxGist; n.lostMetadata {
		n.metadata = nil
	}
	switch {
	case b.Artifacts == 1:
		n.addArtifact(seq, b.Artifact, b.Append)
	case b.Artifacts > 1:
		n.loseArtifacts()
	}
	return &n
}

func (g *gist) remember(seq int64) {
	g.history = append(g.history, seq)
	if n := len(g.history) - maxGist; n > 0 {
		g.history, g.older = g.history[n:], true
	}
}

func (g *gist) addArtifact(seq int64, id a2a.ArtifactID, more bool) {
	if g.lostArtifacts {
		return
	}
	of := slices.Clone(g.artifacts)
	switch i := slices.Index(g.ids, id); {
	case i < 0:
		of, g.ids = append(of, []int64{seq}), append(slices.Clip(g.ids), id)
	case more:
		of[i] = append(slices.Clip(of[i]), seq)
	default:
		of[i] = []int64{seq}
	}
	n := 0
	for _, seqs := range of {
		n += len(seqs)
	}
	if g.artifacts = of; n > maxGist {
		g.loseArtifacts()
	}
}

func (g *gist) loseArtifacts() { g.artifacts, g.ids, g.lostArtifacts = nil, nil, true }

// of returns the gist of a task, with the ids of its artifacts.
func (g *gist) of(t *a2a.Task) *gist {
	if g == nil || g.lostArtifacts {
		return g
	}
	n := *g
	n.ids = nil
	for _, a := range t.Artifacts {
		n.ids = append(n.ids, a.ID)
	}
	if len(n.ids) != len(n.artifacts) {
		n.loseArtifacts()
	}
	return &n
}

const statePrefix = "TASK_STATE_"

// putGist sets the attribute g, such as "17! COMPLETED 1764228000123 52 3,9 5,6;12 +1,17": the event
// of the status, with a message; the state, and since when; sent; metadata; two artifacts; the
// history, which has older messages. An empty list is "-", a lost one "*".
func putGist(it item, g *gist) {
	if g == nil {
		return
	}
	said, older := "", ""
	if g.said {
		said = "!"
	}
	if g.older {
		older = "+"
	}
	metadata, artifacts := numbers(g.metadata), make([]string, len(g.artifacts))
	for i, of := range g.artifacts {
		artifacts[i] = numbers(of)
	}
	all := strings.Join(artifacts, ";")
	if all == "" {
		all = "-"
	}
	if g.lostMetadata {
		metadata = "*"
	}
	if g.lostArtifacts {
		all = "*"
	}
	it[attrGist] = str(fmt.Sprintf("%d%s %s %d %d %s %s %s%s", g.status, said, strings.TrimPrefix(string(g.state), statePrefix),
		g.at, g.sent, metadata, all, older, numbers(g.history)))
}

// gistOf returns the gist in a batch or head, or nil.
func gistOf(it item) *gist {
	f := strings.Fields(it.str(attrGist))
	if len(f) != 7 {
		return nil
	}
	g, ok := new(gist), true
	number := func(s string) int64 {
		n, err := strconv.ParseInt(s, 10, 64)
		ok = ok && err == nil
		return n
	}
	list := func(s string) (of []int64) {
		if s == "-" {
			return nil
		}
		for one := range strings.SplitSeq(s, ",") {
			of = append(of, number(one))
		}
		return of
	}
	var status, history string
	status, g.said = strings.CutSuffix(f[0], "!")
	g.status, g.state, g.at, g.sent = number(status), a2a.TaskState(statePrefix+f[1]), number(f[2]), number(f[3])
	if g.lostMetadata = f[4] == "*"; !g.lostMetadata {
		g.metadata = list(f[4])
	}
	if g.lostArtifacts = f[5] == "*"; !g.lostArtifacts && f[5] != "-" {
		for of := range strings.SplitSeq(f[5], ";") {
			g.artifacts = append(g.artifacts, list(of))
		}
	}
	history, g.older = strings.CutPrefix(f[6], "+")
	g.history = list(history)
	if !ok {
		return nil
	}
	return g
}

func numbers(of []int64) string {
	if len(of) == 0 {
		return "-"
	}
	s := make([]string, len(of))
	for i, n := range of {
		s[i] = strconv.FormatInt(n, 10)
	}
	return strings.Join(s, ",")
}

// time returns since when the task is in its state, or nil.
func (g *gist) time() *time.Time {
	if g.at == 0 {
		return nil
	}
	t := time.UnixMilli(g.at).UTC()
	return &t
}

// wanted returns the events that have what is wanted, besides the state. It reports false if the
// gist does not know.
func (g *gist) wanted(w tasklog.Want) (seqs []int64, ok bool) {
	if w.Status {
		if g.lostMetadata {
			return nil, false
		}
		seqs = append(seqs, g.metadata...)
		if g.said {
			seqs = append(seqs, g.status)
		}
	}
	if w.Artifacts {
		if g.lostArtifacts {
			return nil, false
		}
		for _, of := range g.artifacts {
			seqs = append(seqs, of...)
		}
	}
	if w.History > len(g.history) && g.older {
		return nil, false
	}
	seqs = append(seqs, g.last(w.History)...)
	slices.Sort(seqs)
	return slices.Compact(seqs), true
}

// last returns the events that brought the last n messages.
func (g *gist) last(n int) []int64 { return g.history[max(0, len(g.history)-max(0, n)):] }
