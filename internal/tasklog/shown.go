package tasklog

import (
	"bytes"
	"slices"
	"strings"

	"github.com/a2aproject/a2a-go/v2/a2a"
)

// JoinTexts joins neighbouring texts into one part, in each artifact of a task that a client is
// about to see. Clients separate parts by blanks or lines, but the parts of an answer that came in
// chunks are pieces of words. Parts with metadata, a media type or a file name stay as they are. So
// do messages: their sender chose their parts. JoinTexts changes t, and nothing that t points to:
// that may be shared.
func JoinTexts(t *a2a.Task) {
	copied := false
	for i, artifact := range t.Artifacts {
		parts, joined := joinTexts(artifact.Parts)
		if !joined {
			continue
		}
		if !copied {
			t.Artifacts, copied = slices.Clone(t.Artifacts), true
		}
		shown := *artifact
		shown.Parts = parts
		t.Artifacts[i] = &shown
	}
}

// joinTexts returns the parts with neighbouring texts joined, and whether it joined any.
func joinTexts(parts a2a.ContentParts) (a2a.ContentParts, bool) {
	any := false
	for i := 1; i < len(parts) && !any; i++ {
		any = isBareText(parts[i-1]) && isBareText(parts[i])
	}
	if !any {
		return parts, false
	}
	var shown a2a.ContentParts
	for i := 0; i < len(parts); {
		end := i
		for end < len(parts) && isBareText(parts[end]) {
			end++
		}
		if end < i+2 { // there is nothing to join
			shown = append(shown, parts[i])
			i++
			continue
		}
		var text strings.Builder
		for _, p := range parts[i:end] {
			text.WriteString(p.Text())
		}
		shown = append(shown, a2a.NewTextPart(text.String()))
		i = end
	}
	return shown, true
}

// isBareText reports whether the part is a text with nothing else.
func isBareText(p *a2a.Part) bool {
	if p == nil || len(p.Metadata) > 0 || p.MediaType != "" || p.Filename != "" {
		return false
	}
	_, ok := p.Content.(a2a.Text)
	return ok
}

// Shown returns the JSON of an event as clients of 1.0 see it: a task has its texts joined, see
// [JoinTexts].
func Shown(stored []byte) ([]byte, error) {
	// Few events are tasks, and few tasks have an artifact with two parts in a row that begin with
	// a text. Only those are decoded.
	if !bytes.HasPrefix(stored, []byte(`{"task":`)) || !bytes.Contains(stored, []byte(`},{"text":`)) {
		return stored, nil
	}
	event, err := Decode(stored)
	if err != nil {
		return nil, err
	}
	if t, ok := event.(*a2a.Task); ok {
		JoinTexts(t)
	}
	return Encode(event)
}
