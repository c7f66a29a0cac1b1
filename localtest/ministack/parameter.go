package ministack

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	neturl "net/url"
	"testing"

	"a2alambda/localtest"
)

// ParameterStore returns an endpoint of Parameter Store for functions and servers whose keys are not
// the account's.
func (m *Account) ParameterStore(tb testing.TB) (url string) {
	tb.Helper()
	target, err := neturl.Parse(m.Endpoint)
	localtest.Must(tb, err)
	server := httptest.NewServer(&httputil.ReverseProxy{Transport: signer("ssm"), Rewrite: func(r *httputil.ProxyRequest) {
		r.Out.Header.Del("X-Amz-Security-Token")
		r.SetURL(target)
	}})
	tb.Cleanup(server.Close)
	return server.URL
}

// PutParameter puts a parameter into Parameter Store, or a new version of it.
func (m *Account) PutParameter(ctx context.Context, name, value string) error {
	body, err := json.Marshal(map[string]any{"Name": name, "Value": value, "Type": "String", "Overwrite": true})
	if err != nil {
		return err
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, m.Endpoint, bytes.NewReader(body))
	if err != nil {
		return err
	}
	r.Header.Set("Content-Type", "application/x-amz-json-1.1")
	r.Header.Set("X-Amz-Target", "AmazonSSM.PutParameter")
	resp, err := sign("ssm").Do(r)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if text, _ := io.ReadAll(resp.Body); resp.StatusCode != http.StatusOK {
		return fmt.Errorf("ministack: parameter %s: %s %s", name, resp.Status, text)
	}
	return nil
}
