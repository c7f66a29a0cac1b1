package tasklog

import "github.com/a2aproject/a2a-go/v2/a2a"

// CutKey is the key in the metadata of a task which says what was left out of it: a list of
// history, artifacts, status.message and metadata.
const CutKey = "a2alambda.cut"

// Cut leaves out of a task that is larger than that what makes it so long: the history, the
// artifacts, the message of its status, its metadata, up to where it fits. It changes no more than
// t itself.
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
