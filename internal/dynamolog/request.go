package dynamolog

import (
	"context"
	"encoding/json"
	"fmt"

	"a2alambda/internal/jsonline"
	"a2alambda/internal/tasklog"
	"a2alambda/internal/trace"
)

// maxRequestBody keeps head and lease small: see maxHeadBody.
const maxRequestBody = 512

// requestAttrs are the attributes that say what is kept of the request. Each may be missing.
var requestAttrs = []string{attrTrace, attrRequest, attrRequestRef}

// requestBody is the JSON in the attribute rq.
type requestBody struct {
	Extensions []string        `json:"extensions,omitempty"`
	Metadata   json.RawMessage `json:"metadata,omitempty"`
}

// putRequest returns the attributes that say what is kept of the request. What is too big for them is put in parts, which are there
// before whatever refers to them. No two calls for different requests may have the same name for it.
func (l *Log) putRequest(ctx context.Context, h tasklog.Head, name string) (item, error) {
	it := item{}
	if h.Trace.Parent != "" {
		it[attrTrace] = str(h.Trace.String())
	}
	if len(h.Extensions) == 0 && h.Metadata == nil {
		return it, nil
	}
	data, err := jsonline.Marshal(requestBody{h.Extensions, h.Metadata})
	if err != nil {
		return nil, err
	}
	body := deflate([][]byte{data})
	if len(body) <= maxRequestBody {
		it[attrRequest] = bin(body)
		return it, nil
	}
	ref := "request." + name
	it[attrRequestRef] = str(ref)
	return it, l.putParts(ctx, h.ID, h.Expires, ref, body)
}

// request reads into h what putRequest has put. The lease item may be nil.
func (l *Log) request(ctx context.Context, head, lease item, h *tasklog.Head) (err error) {
	it := head
	if lease.num(attrEpoch) > 1 {
		it = lease
	}
	h.Trace = trace.Parse(it.str(attrTrace))
	body := it.bin(attrRequest)
	if ref := it.str(attrRequestRef); ref != "" {
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
