package dynamolog

import (
	"context"
	"encoding/json"
	"fmt"

	"a2alambda/internal/tasklog"
	"a2alambda/internal/trace"
)

// maxRequestBody keeps the head small: see maxHeadBody.
const maxRequestBody = 512

// requestAttrs are the attributes of a head that say what is kept of the request. Each may be missing.
var requestAttrs = []string{attrTrace, attrRequest, attrRequestRef}

// requestBody is the JSON in a head's attribute rq.
type requestBody struct {
	Extensions []string        `json:"extensions,omitempty"`
	Metadata   json.RawMessage `json:"metadata,omitempty"`
}

// putRequest returns the attributes of the head that say what is kept of the request. What is too big for it is put in parts, which are
// there before whatever refers to them.
func (l *Log) putRequest(ctx context.Context, h tasklog.Head, ref string) (item, error) {
	it := item{}
	if h.Trace.Parent != "" {
		it[attrTrace] = str(h.Trace.String())
	}
	if len(h.Extensions) == 0 && h.Metadata == nil {
		return it, nil
	}
	data, err := json.Marshal(requestBody{h.Extensions, h.Metadata})
	if err != nil {
		return nil, err
	}
	body := deflate([][]byte{data})
	if len(body) <= maxRequestBody {
		it[attrRequest] = bin(body)
		return it, nil
	}
	ref = "request." + ref
	it[attrRequestRef] = str(ref)
	return it, l.putParts(ctx, h.ID, h.Expires, ref, body)
}

// request reads into h what putRequest has put.
func (l *Log) request(ctx context.Context, head item, h *tasklog.Head) (err error) {
	h.Trace = trace.Parse(head.str(attrTrace))
	body := head.bin(attrRequest)
	if ref := head.str(attrRequestRef); ref != "" {
		if body, err = l.parts(ctx, h.ID, ref); err != nil {
			return err
		}
	}
	if body == nil {
		return nil
	}
	lines, err := inflate(body)
	if err != nil {
		return err
	}
	var r requestBody
	if err := json.Unmarshal(lines[0], &r); err != nil {
		return fmt.Errorf("what is kept of the request: %w", err)
	}
	h.Extensions, h.Metadata = r.Extensions, r.Metadata
	return nil
}
