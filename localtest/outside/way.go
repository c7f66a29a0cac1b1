package main

import (
	"context"
	"fmt"
	"net/http"
	"strconv"
	"strings"

	"a2alambda/localtest/client"
)

// way is a version of A2A and a binding, in which a client asks for streams.
type way struct {
	name      string
	send      func(id, text string) request // id is the message's
	subscribe func(id string) request       // id is the task's
}

// request is an HTTP request of the agent.
type request struct{ method, path, body, version string }

var ways = []way{
	{
		"1.0 JSON-RPC",
		func(id, text string) request { return rpc("1.0", "SendStreamingMessage", message10(id, text)) },
		func(id string) request { return rpc("1.0", "SubscribeToTask", client.ByID(id)) },
	},
	{
		"0.3 JSON-RPC",
		func(id, text string) request { return rpc("", "message/stream", message03(id, text)) },
		func(id string) request { return rpc("", "tasks/resubscribe", client.ByID(id)) },
	},
	{
		"1.0 HTTP+JSON",
		func(id, text string) request {
			return request{http.MethodPost, "message:stream", message10(id, text), "1.0"}
		},
		func(id string) request { return request{http.MethodGet, "tasks/" + id + ":subscribe", "", "1.0"} },
	},
	{
		"0.3 HTTP+JSON",
		func(id, text string) request {
			return request{http.MethodPost, "v1/message:stream", message03HTTP(id, text), "0.3"}
		},
		func(id string) request {
			return request{http.MethodPost, "v1/tasks/" + id + ":subscribe", "", "0.3"}
		},
	},
}

func rpc(version, method, params string) request {
	return request{http.MethodPost, "", client.Request(method, params), version}
}

func message10(id, text string) string {
	return fmt.Sprintf(`{"message":{"role":"ROLE_USER","messageId":%q,"parts":[{"text":%q}]}}`, id, text)
}

func message03(id, text string) string {
	return fmt.Sprintf(`{"message":{"kind":"message","role":"user","messageId":%q,"parts":[{"kind":"text","text":%q}]}}`, id, text)
}

func message03HTTP(id, text string) string {
	return fmt.Sprintf(`{"request":{"role":"ROLE_USER","messageId":%q,"content":[{"text":%q}]}}`, id, text)
}

// open opens a stream at the agent's URL, with Last-Event-ID unless last is negative. The error is a
// [*client.NotStream] for another answer.
func (r request) open(ctx context.Context, url string, last int64) (*client.Stream, error) {
	headers := []string{"Accept", "text/event-stream"}
	if r.version != "" {
		headers = append(headers, "A2A-Version", r.version)
	}
	if last >= 0 {
		headers = append(headers, "Last-Event-ID", strconv.FormatInt(last, 10))
	}
	return client.NewStream(client.Send(ctx, r.method, strings.TrimSuffix(url, "/")+"/"+r.path, r.body, headers...))
}
