package ministack

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/xml"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
)

// sign returns a client that signs requests to a service as the account's root user, whose
// signature ministack does not verify. It is not package emulator's, which is for Unix alone.
func sign(service string) *http.Client { return &http.Client{Transport: signer(service)} }

type signer string

func (service signer) RoundTrip(r *http.Request) (*http.Response, error) {
	var body []byte
	if r.Body != nil {
		var err error
		if body, err = io.ReadAll(r.Body); err != nil {
			return nil, err
		}
		r.Body.Close()
	}
	r = r.Clone(r.Context())
	r.Body, r.ContentLength = io.NopCloser(bytes.NewReader(body)), int64(len(body))
	if len(body) == 0 {
		r.Body = http.NoBody
	}
	sum := sha256.Sum256(body)
	hash := hex.EncodeToString(sum[:])
	r.Header.Set("X-Amz-Content-Sha256", hash)
	as := aws.Credentials{AccessKeyID: Key, SecretAccessKey: Key}
	if err := v4.NewSigner().SignHTTP(r.Context(), as, r, hash, string(service), Region, time.Now()); err != nil {
		return nil, err
	}
	return http.DefaultTransport.RoundTrip(r)
}

// Query asks a service that has the query protocol, and decodes the XML of its answer into out.
func (m *Account) Query(ctx context.Context, service, version, action string, params map[string]string, out any) error {
	form := url.Values{"Version": {version}, "Action": {action}}
	for name, value := range params {
		form.Set(name, value)
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, m.Endpoint, strings.NewReader(form.Encode()))
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	resp, err := sign(service).Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		return err
	}
	if resp.StatusCode != http.StatusOK {
		var problem struct {
			Message string `xml:"Error>Message"`
		}
		if xml.Unmarshal(body, &problem) == nil && problem.Message != "" {
			return fmt.Errorf("%s: %s", action, problem.Message)
		}
		return fmt.Errorf("%s: %s: %s", action, resp.Status, body)
	}
	return xml.Unmarshal(body, out)
}

// User makes an IAM user with a policy, unless that is empty, and returns its access key. Its
// signatures are verified.
func (m *Account) User(ctx context.Context, name, policy string) (id, secret string, err error) {
	var made struct {
		ID     string `xml:"CreateAccessKeyResult>AccessKey>AccessKeyId"`
		Secret string `xml:"CreateAccessKeyResult>AccessKey>SecretAccessKey"`
	}
	for _, call := range []struct {
		action string
		params map[string]string
		out    any
	}{
		{"CreateUser", map[string]string{"UserName": name}, new(struct{})},
		{"PutUserPolicy", map[string]string{"UserName": name, "PolicyName": "p", "PolicyDocument": policy}, new(struct{})},
		{"CreateAccessKey", map[string]string{"UserName": name}, &made},
	} {
		if call.action == "PutUserPolicy" && policy == "" {
			continue
		}
		if err := m.Query(ctx, "iam", "2010-05-08", call.action, call.params, call.out); err != nil {
			return "", "", err
		}
	}
	return made.ID, made.Secret, nil
}
