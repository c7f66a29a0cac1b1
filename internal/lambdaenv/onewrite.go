package lambdaenv

import (
	"bytes"
	"io"
	"net/http"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
)

// writeAtOnce is how many bytes of a request are sent by one write at most.
const writeAtOnce = 8 << 10

// oneWrite is a client that sends the headers of a small request and its body by one write. Go's
// client sends the headers by a write of their own, unless it knows that the body is in memory, and
// cannot see that of one from the SDK.
type oneWrite struct{ dynamodb.HTTPClient }

func (c oneWrite) Do(req *http.Request) (*http.Response, error) {
	if req.Body != nil && req.ContentLength > 0 && req.ContentLength < writeAtOnce {
		body := make([]byte, req.ContentLength)
		_, err := io.ReadFull(req.Body, body)
		req.Body.Close()
		if err != nil {
			return nil, err
		}
		req.Body = io.NopCloser(bytes.NewReader(body))
	}
	return c.HTTPClient.Do(req)
}
