package lambdaenv

import (
	"context"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
)

// configTo returns the configuration of a process whose requests to the table are shown to saw, and
// answered with nothing.
func configTo(t *testing.T, saw func(*http.Request)) aws.Config {
	t.Helper()
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		saw(r)
		w.Header().Set("Content-Type", "application/x-amz-json-1.0")
		_, _ = io.WriteString(w, "{}")
	}))
	t.Cleanup(s.Close)
	for name, value := range map[string]string{
		"AWS_ACCESS_KEY_ID": "local", "AWS_SECRET_ACCESS_KEY": "local", "AWS_REGION": "us-east-1", "AWS_ENDPOINT_URL_DYNAMODB": s.URL,
	} {
		t.Setenv(name, value)
	}
	cfg, err := Config(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return cfg
}

// written counts the writes of a connection.
type written struct {
	net.Conn
	writes *atomic.Int64
}

func (c written) Write(b []byte) (int, error) {
	c.writes.Add(1)
	return c.Conn.Write(b)
}

// TestOneWrite has small requests sent by one write each, and large ones whole.
func TestOneWrite(t *testing.T) {
	var writes, got atomic.Int64
	cfg := configTo(t, func(r *http.Request) {
		n, _ := io.Copy(io.Discard, r.Body)
		got.Store(n)
	})
	cfg.HTTPClient = cfg.HTTPClient.(*awshttp.BuildableClient).WithTransportOptions(func(tr *http.Transport) {
		tr.DialContext = func(ctx context.Context, network, address string) (net.Conn, error) {
			c, err := new(net.Dialer).DialContext(ctx, network, address)
			return written{c, &writes}, err
		}
	})
	client := DynamoDB(cfg)
	for _, test := range []struct{ size, most int64 }{{10, 1}, {1000, 1}, {6000, 1}, {writeAtOnce, 3}, {300_000, 100}} {
		writes.Store(0)
		_, err := client.PutItem(t.Context(), &dynamodb.PutItemInput{
			TableName: aws.String("tasks"),
			Item:      map[string]types.AttributeValue{"pk": &types.AttributeValueMemberS{Value: strings.Repeat("a", int(test.size))}},
		})
		if n := writes.Load(); err != nil || n == 0 || n > test.most || got.Load() < test.size {
			t.Errorf("%d bytes: %d writes, want %d at most; %d bytes came, %v", test.size, n, test.most, got.Load(), err)
		}
	}
}
