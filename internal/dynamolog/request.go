package dynamolog

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/a2aproject/a2a-go/v2/a2a"

	"a2alambda/internal/jsonline"
	"a2alambda/internal/tasklog"
	"a2alambda/internal/trace"
)

// maxRequestBody keeps head and lease small: see maxHeadBody.
const maxRequestBody = 512

// requestAttrs are the attributes with what is kept of the request. Each may be missing.
var requestAttrs = []string{attrTrace, attrRequest, attrRequestRef}

// requestBody is the JSON in the attribute rq.
type requestBody struct {
	Extensions []string        `json:"extensions,omitempty"`
	Metadata   json.RawMessage `json:"metadata,omitempty"`
}

// putRequest returns the attributes with what is kept of the request. What is too big for them it
// writes in parts, so that they are there before an item refers to them. The name must differ for
// different requests.
func (l *Log) putRequest(ctx context.Context, h tasklog.Head, r tasklog.Request, name string) (item, error) {
	it := item{}
	if r.Trace.Parent != "" {
		it[attrTrace] = str(r.Trace.String())
	}
	if len(r.Extensions) == 0 && r.Metadata == nil {
		return it, nil
	}
	data, err := jsonline.Marshal(requestBody{r.Extensions, r.Metadata})
	if err != nil {
		return nil, err
	}
	body := deflate([]tasklog.Entry{{JSON: data}})
	if len(body) <= maxRequestBody {
		it[attrRequest] = bin(body)
		return it, nil
	}
	ref := "request." + name
	it[attrRequestRef] = str(ref)
	return it, l.putParts(ctx, h.ID, h.Expires, ref, body, new(parts))
}

// request returns what putRequest has put into a head or lease.
func (l *Log) request(ctx context.Context, id a2a.TaskID, it item) (tasklog.Request, error) {
	r := tasklog.Request{Trace: trace.Parse(it.str(attrTrace))}
	body := it.bin(attrRequest)
	if ref := it.str(attrRequestRef); ref != "" {
		var err error
		if body, err = l.joined(ctx, id, ref); err != nil {
			return r, err
		}
	}
	if body == nil {
		return r, nil
	}
	lines, _, err := inflate(body)
	if err != nil {
		return r, err
	}
	var kept requestBody
	if err := json.Unmarshal(lines[0], &kept); err != nil {
		return r, fmt.Errorf("what is kept of the request: %w", err)
	}
	r.Extensions, r.Metadata = kept.Extensions, kept.Metadata
	return r, nil
}
