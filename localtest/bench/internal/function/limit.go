package main

import (
	"encoding/json"
	"net/http"

	"github.com/a2aproject/a2a-go/v2/a2a"
	"github.com/a2aproject/a2a-go/v2/a2asrv"

	"a2alambda/internal/tasklog"
)

// limit returns a handler that does the least: it encodes each event, and writes together what has
// gathered during the write before.
func limit(x a2asrv.AgentExecutor) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var call struct {
			ID     json.RawMessage
			Params a2a.SendMessageRequest
		}
		if err := json.NewDecoder(r.Body).Decode(&call); err != nil || call.Params.Message == nil {
			http.Error(w, http.StatusText(http.StatusBadRequest), http.StatusBadRequest)
			return
		}
		w.Header().Set("Content-Type", "text/event-stream")
		frames, done := make(chan []byte, 1000), make(chan struct{})
		go func() {
			defer close(done)
			for frame := range frames {
				for range len(frames) {
					frame = append(frame, <-frames...)
				}
				w.Write(frame)
			}
		}()
		ec := &a2asrv.ExecutorContext{Message: call.Params.Message, TaskID: a2a.NewTaskID(), ContextID: a2a.NewContextID()}
		for event, err := range x.Execute(r.Context(), ec) {
			if err != nil {
				panic(err)
			}
			result, err := tasklog.Encode(event)
			if err != nil {
				panic(err)
			}
			frame := append([]byte(`data: {"jsonrpc":"2.0","id":`), call.ID...)
			frames <- append(append(append(frame, `,"result":`...), result...), "}\n\n"...)
		}
		close(frames)
		<-done
	})
}
