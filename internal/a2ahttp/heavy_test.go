package a2ahttp_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"testing"

	"a2alambda/internal/a2ahttp"
	"a2alambda/internal/heavy"
	"a2alambda/internal/memlog"
)

// TestHeavy has all turns be taken. What is heavy waits for one; everybody else is served.
func TestHeavy(t *testing.T) {
	h := a2ahttp.New(configOf(new(memlog.Log), t.Output(), slow(0)))
	send := func(messageID, text string) *httptest.ResponseRecorder {
		return serve(h, httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/message:send", strings.NewReader(
			fmt.Sprintf(`{"message":{"messageId":%q,"role":"ROLE_USER","parts":[{"text":%q}]}}`, messageID, text))))
	}
	var ends []func()
	for range max(1, runtime.GOMAXPROCS(0)-1) {
		ends = append(ends, heavy.Begin(1<<20))
	}
	served := make(chan *httptest.ResponseRecorder, 1)
	go func() { served <- send("large", strings.Repeat("x", 1<<20)) }()
	for i := range 500 { // which takes longer than the large one would
		if w := send(fmt.Sprint("small ", i), "x"); w.Code != http.StatusOK {
			t.Fatalf("a small message got %d %s", w.Code, w.Body)
		}
	}
	select {
	case <-served:
		t.Error("the large message did not wait for its turn")
	default:
		for _, end := range ends {
			end()
		}
		if w := <-served; w.Code != http.StatusOK {
			t.Errorf("the large message got %d %.300s", w.Code, w.Body)
		}
	}
}
