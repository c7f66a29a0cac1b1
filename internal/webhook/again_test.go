package webhook_test

import (
	"bufio"
	"io"
	"net"
	"net/http"
	"net/netip"
	"sync"
	"testing"

	"github.com/a2aproject/a2a-go/v2/a2a"

	"a2alambda/internal/outgoing"
	"a2alambda/internal/tasklog"
)

// closer is a server of HTTP/1.1. It answers the first request of each connection, all of them once
// there are so many. It reads a further one to its end, and closes the connection without an answer:
// to a client, that is a connection which was closed while nobody used it.
type closer struct {
	first sync.WaitGroup

	mu     sync.Mutex
	answer string
	later  int   // further requests
	bytes  int64 // of their bodies
}

func (c *closer) serve(conn net.Conn) {
	defer conn.Close()
	in := bufio.NewReader(conn)
	for n := 0; n < 2; n++ {
		r, err := http.ReadRequest(in)
		if err != nil {
			return
		}
		read, _ := io.Copy(io.Discard, r.Body)
		if n == 0 {
			c.mu.Lock()
			answer := c.answer
			c.mu.Unlock()
			if answer == "200 OK" {
				c.first.Done()
				c.first.Wait()
			}
			_, _ = io.WriteString(conn, "HTTP/1.1 "+answer+"\r\nContent-Length: 0\r\n\r\n")
			continue
		}
		c.mu.Lock()
		c.later++
		c.bytes += read
		c.mu.Unlock()
	}
}

// TestSentAgain has a webhook read a long event and close the connection, on all connections that the
// process has to it. The transport takes that for a connection that was closed before, and may send
// the event again, once: all that was sent counts.
func TestSentAgain(t *testing.T) {
	const connections, long = 4, 500_000 // as many as a wake-up has to a host that it does not know
	l, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	defer l.Close()
	c := &closer{answer: "200 OK"}
	c.first.Add(connections)
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			go c.serve(conn)
		}
	}()
	w := newWorld(t, nil)
	client := outgoing.Guard{Allow: []netip.Prefix{netip.MustParsePrefix("127.0.0.1/32")}}.Client()
	defer client.CloseIdleConnections()
	w.use(client)
	var heads []tasklog.Head
	var ids []a2a.TaskID
	for range connections {
		h := w.task(t, 1, "http://"+l.Addr().String())
		heads, ids = append(heads, h), append(ids, h.ID)
	}
	must(t, w.Wake(t.Context(), ids...))

	c.mu.Lock()
	c.answer = "410 Gone" // so the delivery ends with what it has sent
	c.mu.Unlock()
	h := heads[0]
	w.append(t, h, 2, says(h, "a", long))
	must(t, w.Wake(t.Context(), h.ID))
	all, err := w.pushes.List(t.Context(), h.ID)
	must(t, err)
	c.mu.Lock()
	defer c.mu.Unlock()
	t.Logf("%d requests on used connections, %d bytes; %d are counted", c.later, c.bytes, all[0].Bytes)
	if c.later == 0 || all[0].Bytes < c.bytes {
		t.Errorf("%d requests of %d bytes, but %d bytes are counted", c.later, c.bytes, all[0].Bytes)
	}
}
