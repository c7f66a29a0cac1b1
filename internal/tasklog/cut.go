package tasklog

import "github.com/a2aproject/a2a-go/v2/a2a"

// CutKey is the key in the metadata of a task that lists what was left out of it: history,
// artifacts, status.message, metadata.
const CutKey = "a2alambda.cut"

// Cut makes a task fit into the size. It leaves out its history, then its artifacts, the message of
// its status, and its metadata, until the rest fits. It changes t itself, and nothing that t points
// to.
func Cut(t *a2a.Task, most Size) {
	var left []any
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
		metadata := map[string]any{CutKey: left}
		for k, v := range t.Metadata {
			metadata[k] = v
		}
		t.Metadata = metadata
	}
}
