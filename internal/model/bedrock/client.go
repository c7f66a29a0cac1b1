package bedrock

import (
	"bytes"
	"io"
	"net/http"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/bedrockruntime"
)

// NewClient returns a client for a [Model].
func NewClient(cfg aws.Config) *bedrockruntime.Client {
	return bedrockruntime.NewFromConfig(cfg, func(o *bedrockruntime.Options) { o.HTTPClient = buffered{o.HTTPClient} })
}

// buffered sends bodies from memory, and ignores that they are closed. The SDK closes a body as
// soon as the response begins. If net/http has not yet seen the end of the body, it takes that for
// an error and cuts the connection: an answer that begins at once would break off. (smithy-go
// v1.28.8, transport/http/internal/io: WriteTo of a closed body returns EOF.)
type buffered struct{ client aws.HTTPClient }

func (b buffered) Do(r *http.Request) (*http.Response, error) {
	if r.Body != nil {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			return nil, err
		}
		r.Body = io.NopCloser(bytes.NewReader(body))
	}
	return b.client.Do(r)
}
