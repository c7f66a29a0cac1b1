package emulator

import (
	"bufio"
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
)

const (
	// streamType is the Runtime API's content type of a stream: a prelude of JSON with status,
	// headers and cookies, eight NUL bytes, the body.
	streamType = "application/vnd.awslambda.http-integration-response"

	// maxPrelude is the longest prelude, maxBuffered the longest answer in one piece, in bytes.
	maxPrelude  = 1 << 20
	maxBuffered = 6 << 20
)

// client is the other end of the function URL. Writing to it never fails: Lambda ignores that a
// client has gone.
type client struct {
	w     http.ResponseWriter
	inv   *invocation
	began bool // the client may have seen the status
}

// prelude is how a function URL's response begins. With a body it is the whole response.
// https://docs.aws.amazon.com/lambda/latest/dg/urls-invocation.html
type prelude struct {
	StatusCode      int               `json:"statusCode"`
	Headers         map[string]string `json:"headers"`
	Cookies         []string          `json:"cookies"`
	Body            string            `json:"body"`
	IsBase64Encoded bool              `json:"isBase64Encoded"`
}

// receive passes on an answer. An error means that the answer is invalid: then the client has got
// nothing, or the beginning of a stream.
func (c *client) receive(a answer) error {
	// No client may hold the invocation for long after its end.
	http.NewResponseController(c.w).SetWriteDeadline(c.inv.end.Add(drainTime))
	switch {
	case a.failed:
		report, err := io.ReadAll(io.LimitReader(a.Body, maxPrelude))
		if err != nil {
			return err
		}
		return fmt.Errorf("the function failed: %s", report)
	case a.Header.Get("Content-Type") == streamType:
		return c.stream(a)
	}
	return c.buffered(a)
}

// stream passes on each chunk as it comes.
func (c *client) stream(a answer) error {
	in := bufio.NewReader(a.Body)
	var head []byte
	for !bytes.HasSuffix(head, make([]byte, 8)) {
		b, err := in.ReadByte()
		if err != nil {
			return fmt.Errorf("the stream ended in its prelude: %w", err)
		}
		if head = append(head, b); len(head) > maxPrelude {
			return errors.New("the stream has no prelude")
		}
	}
	var p prelude
	if err := json.Unmarshal(head[:len(head)-8], &p); err != nil {
		return fmt.Errorf("the stream's prelude: %w", err)
	}
	if err := c.begin(&p); err != nil {
		return err
	}
	controller := http.NewResponseController(c.w)
	controller.Flush()
	chunk := make([]byte, 32<<10)
	for {
		n, err := in.Read(chunk)
		if n > 0 {
			a.chunk(n)
			c.w.Write(chunk[:n])
			controller.Flush()
		}
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
	}
}

// buffered passes on an answer in one piece: an object with a status, or any JSON.
func (c *client) buffered(a answer) error {
	b, err := a.whole()
	if err != nil {
		return err
	}
	var p prelude
	if json.Unmarshal(b, &p) != nil || p.StatusCode == 0 {
		p = prelude{Headers: map[string]string{"Content-Type": "application/json"}, Body: string(b)}
	}
	content := []byte(p.Body)
	if p.IsBase64Encoded {
		if content, err = base64.StdEncoding.DecodeString(p.Body); err != nil {
			return fmt.Errorf("the response's body: %w", err)
		}
	}
	if err := c.begin(&p); err != nil {
		return err
	}
	c.w.Write(content)
	return nil
}

// begin sends status and headers. A stream has no Content-Length, even if the function sets one.
func (c *client) begin(p *prelude) error {
	if p.StatusCode == 0 {
		p.StatusCode = http.StatusOK
	}
	if p.StatusCode < 200 || p.StatusCode > 599 {
		return fmt.Errorf("the response has status %d", p.StatusCode)
	}
	h := c.w.Header()
	h.Set("Content-Type", "application/octet-stream")
	for k, v := range p.Headers {
		h.Set(k, v)
	}
	h.Del("Content-Length")
	h.Del("Connection")
	h.Del("Transfer-Encoding")
	for _, cookie := range p.Cookies {
		h.Add("Set-Cookie", cookie)
	}
	c.began = true
	c.w.WriteHeader(p.StatusCode)
	return nil
}
