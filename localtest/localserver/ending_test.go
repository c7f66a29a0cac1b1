package localserver

import (
	"encoding/json"
	"errors"
	"io"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/a2aproject/a2a-go/v2/a2a"

	"a2alambda/internal/dynamolog"
	"a2alambda/localtest"
	"a2alambda/localtest/client"
	"a2alambda/localtest/dynamodblocal"
)

// TestEndingProcess has two servers over one table. One of them gets SIGTERM in the middle of a
// stream. It gives up the lease, ends the stream and then itself. The client goes on at the other
// server, which goes on with the task, and loses nothing: neither one that says what it has seen,
// nor one that sends its message again.
func TestEndingProcess(t *testing.T) {
	t.Parallel()
	db, table := dynamodblocal.Table(t)
	env := []string{"TABLE_NAME=" + table, "AWS_ENDPOINT_URL_DYNAMODB=" + dynamodblocal.Endpoint(t), "AWS_REGION=us-east-1", "SHUTDOWN_GRACE=5m"}
	other := Start(t, env...)
	for range 5 { // a task may end before its client does anything
		if endingProcess(t, env, other, dynamolog.New(db, table)) {
			return
		}
	}
	t.Error("each time the task ended too early")
}

// endingProcess reports whether the task was cut off.
func endingProcess(t *testing.T, env []string, other string, log *dynamolog.Log) bool {
	t.Helper()
	ending, url := StartProcess(t, env...)
	defer ending.Kill()
	message := client.Message("hello")
	stream := client.Follow(t, url, "message/stream", message)
	ids, last, first := "", "", ""
	for {
		e, err := stream.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		localtest.Must(t, err)
		ids, last = ids+e.ID+" ", e.ID
		if e.ID == "1" {
			first = e.Data
		}
		if e.ID == "2" {
			localtest.Must(t, ending.Process.Signal(syscall.SIGTERM))
		}
	}
	if last == "6" {
		return false
	}
	task := client.TaskIn(t, first)
	if stream.Retry != 300*time.Millisecond || stream.Comments != 1 {
		t.Errorf("the stream had events %s, %d comments and retry: %v", ids, stream.Comments, stream.Retry)
	}
	// The other server may have swept just now.
	if s, err := log.Load(t.Context(), a2a.TaskID(task)); err != nil || !s.Lease.Released && s.Lease.Epoch == 1 {
		t.Errorf("at the end of the stream the lease is %+v, %v", s.Lease, err)
	}
	if <-ending.Done; ending.Err != nil {
		t.Errorf("the server ended with %v:\n%s", ending.Err, ending.Output.String())
	}

	again := client.Follow(t, other, "tasks/resubscribe", client.ByID(task), "Last-Event-ID", last)
	joined := client.Follow(t, other, "message/stream", message)
	_, err := again.Next() // the task as of the last event that was seen
	localtest.Must(t, err)
	for {
		e, err := again.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		localtest.Must(t, err)
		ids += e.ID + " "
	}
	if ids != "1 2 3 4 5 6 " {
		t.Errorf("in all, the stream had events %s", ids)
	}
	e, err := joined.Until(`"completed"`)
	localtest.Must(t, err)
	if e.ID != "6" {
		t.Errorf("the message that was sent again ends with event %s", e.ID)
	}
	var result struct {
		Result struct{ History, Artifacts []json.RawMessage }
	}
	localtest.Must(t, json.Unmarshal([]byte(client.Result(t, other, "tasks/get", client.ByID(task))), &result))
	if len(result.Result.Artifacts) != 1 {
		t.Errorf("the task is %+v", result)
	}
	if out := ending.Output.String(); strings.Contains(out, "ERROR") {
		t.Errorf("the server has logged\n%s", out)
	}
	return true
}
