package browser

import (
	"fmt"
	"net/http"
	"testing"

	"a2alambda/localtest"
	"a2alambda/localtest/client"
)

// TestEventSource follows a task with a browser's own EventSource: it connects again when it is
// cut, misses nothing, and stops connecting soon after the task has ended.
func TestEventSource(t *testing.T) {
	t.Parallel()
	paced := newPaced(t)
	s := servePage(t, paced.demo())
	b := newBrowser(t)
	b.open(s.URL + "/")

	sent, err := client.NewStream(client.Send(t.Context(), http.MethodPost, s.URL+"/message:stream",
		`{"message":{"messageId":"m","role":"ROLE_USER","parts":[{"text":"Stream me a response!"}]}}`))
	localtest.Must(t, err)
	defer sent.Close()
	first, err := sent.Next()
	localtest.Must(t, err)
	id := client.TaskIn(t, first.Data)

	b.equal(fmt.Sprintf(`(() => {
		window.seen = [];
		window.connected = 0;
		window.source = new EventSource('/tasks/%s:subscribe');
		source.onopen = () => connected++;
		source.onmessage = ({ lastEventId, data }) => seen.push(lastEventId + ' ' + Object.keys(JSON.parse(data))[0]);
		return source.readyState;
	})()`, id), `0`)
	b.wait(`seen.length === 1`)
	paced.step(t, 2)
	b.wait(`seen.length === 3`)
	s.CloseClientConnections()
	paced.step(t, 2)
	b.wait(`source.readyState === EventSource.CLOSED`)
	b.equal(`seen`, `["1 task","2 statusUpdate","3 statusUpdate","3 task","4 statusUpdate","5 artifactUpdate","6 statusUpdate"]`)
	b.equal(`connected`, `2`)
	b.takeFaults() // the cut connection's
}
