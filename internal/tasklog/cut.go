package tasklog

import (
	"maps"

	"github.com/a2aproject/a2a-go/v2/a2a"
)

const (
	// CutKey is the key in the metadata of a task that lists what was left out of it: history,
	// artifacts, status.message, metadata.
	CutKey = "a2alambda.cut"

	// CutNoteKey is the key of [CutNote], which is beside the list.
	CutNoteKey = "a2alambda.cutNote"
	CutNote    = "GetTask has all of the task"
)

// AddCut adds to metadata what was left out. It changes nothing that others may have.
func AddCut(metadata map[string]any, left ...string) map[string]any {
	list := make([]any, len(left))
	for i, name := range left {
		list[i] = name
	}
	with := map[string]any{}
	maps.Copy(with, metadata)
	with[CutKey], with[CutNoteKey] = list, CutNote
	return with
}

// Cut makes a task fit into the size. It leaves out its history, then its artifacts, the message of
// its status, and its metadata, until the rest fits. It changes t itself, and nothing that t points
// to.
func Cut(t *a2a.Task, most Size) {
	var left []string
	for _, member := range []struct {
		name  string
		leave func()
	}{
		{"history", func() { t.History = nil }},
		{"artifacts", func() { t.Artifacts = nil }},
		{"status.message", func() { t.Status.Message = nil }},
		{"metadata", func() { t.Metadata = nil }},
	} {
		if size := SizeOf(t); size.Bytes <= most.Bytes && size.Values <= most.Values {
			break
		}
		member.leave()
		left = append(left, member.name)
	}
	if len(left) > 0 {
		t.Metadata = AddCut(t.Metadata, left...)
	}
}
