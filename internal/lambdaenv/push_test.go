package lambdaenv_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"testing"

	"a2alambda/internal/lambdaenv"
	"a2alambda/internal/push"
)

// TestPushJobs checks which configurations are in the events of the push function: in one of this
// version, in one of an earlier version, and none in an event of the table's stream.
func TestPushJobs(t *testing.T) {
	a, b := push.Ref{TaskID: "t", ID: "a"}, push.Ref{TaskID: "u", ID: "b"}
	for event, want := range map[string][]push.Ref{
		`{"taskId":"t","configId":"a"}`:                                          {a},
		`{"taskId":"t","configId":"a","jobs":[{"taskId":"u","configId":"b"}]}`:   {a, b},
		`{"jobs":[{"taskId":"t","configId":"a"},{"taskId":"u","configId":"b"}]}`: {a, b},
		`{"taskId":"t"}`:                       nil,
		`{"jobs":[{"taskId":"t"}]}`:            nil,
		`{"Records":[{"eventName":"MODIFY"}]}`: nil,
	} {
		var job lambdaenv.Job
		if err := json.Unmarshal([]byte(event), &job); err != nil {
			t.Fatal(err)
		}
		if got := job.Pushes(); fmt.Sprint(got) != fmt.Sprint(want) {
			t.Errorf("%s: %v, want %v", event, got, want)
		}
	}
}

// TestInvokePushes checks the events of asynchronous invocations: one configuration in the form
// that earlier versions read, and several configurations in one event.
func TestInvokePushes(t *testing.T) {
	var got []string
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		got = append(got, r.URL.Path+" "+r.Header.Get("X-Amz-Invocation-Type")+" "+string(body))
		w.WriteHeader(http.StatusAccepted)
	}))
	defer s.Close()
	lambda(t, s.URL)
	t.Setenv("AWS_ENDPOINT_URL_LAMBDA", s.URL)
	table, err := lambdaenv.Open(t.Context(), "tasks")
	if err != nil {
		t.Fatal(err)
	}
	invoke, err := table.InvokePushes("push")
	if err != nil {
		t.Fatal(err)
	}
	a, b, c := push.Ref{TaskID: "t", ID: "a"}, push.Ref{TaskID: "u", ID: "b"}, push.Ref{TaskID: "u", ID: "c"}
	if err := invoke(t.Context(), a); err != nil {
		t.Fatal(err)
	}
	if err := invoke(t.Context(), a, b, c); err != nil {
		t.Fatal(err)
	}
	const path = "/2015-03-31/functions/push/invocations Event "
	want := []string{
		path + `{"taskId":"t","configId":"a"}`,
		path + `{"taskId":"t","configId":"a","jobs":[{"taskId":"u","configId":"b"},{"taskId":"u","configId":"c"}]}`,
	}
	if fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("got %q, want %q", got, want)
	}
}
