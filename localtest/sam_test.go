package localtest_test

import (
	"crypto/rand"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"regexp"
	"strings"
	"testing"

	"a2alambda/internal/dynamolog"
	"a2alambda/localtest"
)

// TestSAMLocal asks the function as it is deployed, built and served by sam in a container, where it answers buffered.
// The tasks are in DynamoDB: an agent in another process has the same.
func TestSAMLocal(t *testing.T) {
	t.Parallel()
	const table = "sam-local"
	dynamo := localtest.DynamoDB(t)
	if err := dynamolog.CreateTable(t.Context(), localtest.DynamoClient(t, dynamo), table); err != nil {
		t.Fatal(err)
	}
	api := localtest.StartAPI(t, dynamo, table)
	other := localtest.StartAgent(t, "TABLE_NAME="+table, "AWS_ENDPOINT_URL_DYNAMODB="+dynamo)

	t.Run("card", func(t *testing.T) {
		resp, err := http.Get(api + "/.well-known/agent-card.json")
		var card struct {
			Name, URL    string
			Capabilities struct{ Streaming bool }
		}
		decode(t, read(t, resp, err, "application/json"), &card)
		if card.Name != "Streaming Demo Agent" || card.URL != api+"/" || !card.Capabilities.Streaming {
			t.Errorf("the card says %+v, want the demo agent's, streaming, at %s/", card, api)
		}
	})

	t.Run("message/send", func(t *testing.T) {
		got := call(t, api, "application/json", "message/send", message("Send me a regular response"))
		same(t, got, "testdata/sam_send.txt")
		for _, url := range []string{api, other} {
			if stored := getTask(t, url, got); stored != got {
				t.Errorf("tasks/get at %s gave\n%s\nwant what message/send gave\n%s", url, stored, got)
			}
		}
	})

	t.Run("message/stream", func(t *testing.T) {
		got := call(t, api, "text/event-stream", "message/stream", message("Stream me a response!"))
		same(t, got, "testdata/sam_stream.txt")
		_, first, _ := strings.Cut(got, "data: ")
		first, _, _ = strings.Cut(first, "\n")
		stored := getTask(t, api, first)
		same(t, stored, "testdata/sam_stream_task.txt")
		if elsewhere := getTask(t, other, first); elsewhere != stored {
			t.Errorf("tasks/get at %s gave\n%s\nwant\n%s", other, elsewhere, stored)
		}
	})
}

// message returns the params that send the text.
func message(text string) string {
	return fmt.Sprintf(`{"message":{"role":"user","messageId":%q,"parts":[{"kind":"text","text":%q}]}}`, rand.Text(), text)
}

// getTask asks the agent at the URL for the task in a response.
func getTask(t *testing.T, url, response string) string {
	t.Helper()
	var r struct{ Result struct{ ID string } }
	decode(t, response, &r)
	return call(t, url, "application/json", "tasks/get", fmt.Sprintf(`{"id":%q}`, r.Result.ID))
}

// call returns the body of the answer to a JSON-RPC request.
func call(t *testing.T, url, wantType, method, params string) string {
	t.Helper()
	body := fmt.Sprintf(`{"jsonrpc":"2.0","id":1,"method":%q,"params":%s}`, method, params)
	resp, err := http.Post(url, "application/json", strings.NewReader(body))
	return read(t, resp, err, wantType)
}

func read(t *testing.T, resp *http.Response, err error, wantType string) string {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if got := resp.Header.Get("Content-Type"); err != nil || resp.StatusCode != http.StatusOK || got != wantType {
		t.Fatalf("got %s, %s (%v), want 200 and %s:\n%s", resp.Status, got, err, wantType, body)
	}
	return string(body)
}

func decode(t *testing.T, text string, v any) {
	t.Helper()
	if err := json.Unmarshal([]byte(text), v); err != nil {
		t.Fatalf("%v: %s", err, text)
	}
}

// changing is what differs from run to run.
var changing = regexp.MustCompile(`"(id|taskId|contextId|messageId|artifactId|timestamp)":"[^"]+"`)

// same compares a body with a file, which has "…" for what differs from run to run.
func same(t *testing.T, body, file string) {
	t.Helper()
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if got := changing.ReplaceAllString(body, `"$1":"…"`); got != string(want) {
		t.Fatalf("got\n%swant, as in %s,\n%s", got, file, want)
	}
}
