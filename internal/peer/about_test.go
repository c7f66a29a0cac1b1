package peer_test

import (
	"fmt"
	"net/http"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"a2alambda/internal/peer/peertest"
)

// TestAbout reads what a card says about its agent: once in five minutes, whether it can be read or
// not, and without waiting for long.
func TestAbout(t *testing.T) {
	for name, test := range map[string]struct {
		skills string
		answer func()
		want   string
	}{
		"known":  {`[{"id":"a","name":"Receipts","description":"Writes receipts","tags":[]},{"id":"b","name":"Letters","description":"Letters","tags":[]}]`, func() {}, "An agent\n- Receipts: Writes receipts\n- Letters"},
		"broken": {`{`, func() {}, ""},
		"slow":   {`[]`, func() { time.Sleep(time.Minute) }, ""},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var n atomic.Int32
				p := one(t, "http://127.0.0.1:9", "", "")
				p.Through(peertest.Transport{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
					n.Add(1)
					test.answer()
					_, _ = fmt.Fprintf(w, `{"name":"other","description":"An agent","version":"1","capabilities":{},"defaultInputModes":[],"defaultOutputModes":[],`+
						`"supportedInterfaces":[{"url":"http://127.0.0.1:9/","protocolBinding":"JSONRPC","protocolVersion":"1.0"}],"skills":%s}`, test.skills)
				})})
				for range 3 {
					begun := time.Now()
					if got := p.About(t.Context()); got != test.want || time.Since(begun) > 2*time.Second {
						t.Errorf("got %q after %v", got, time.Since(begun))
					}
				}
				if n := n.Load(); n != 1 {
					t.Errorf("it was asked %d times", n)
				}
				time.Sleep(6 * time.Minute)
				p.About(t.Context())
				if n := n.Load(); n != 2 {
					t.Errorf("it was asked %d times after a while", n)
				}
				time.Sleep(time.Hour)
			})
		})
	}
}
