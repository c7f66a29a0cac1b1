// Package parameter reads a parameter of AWS Systems Manager's Parameter Store.
//
// It is not the SDK's client, which makes the zip of a function 0.25 MB bigger for one request. The
// rest is the SDK's: credentials, signatures and the HTTP client.
//
// https://docs.aws.amazon.com/systems-manager/latest/APIReference/API_GetParameter.html
package parameter

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"

	"a2alambda/internal/bucket"
)

const (
	tries     = 4
	tryWithin = 3 * time.Second
	// pause is the time before the second try. Each is twice as long as the one before.
	pause = 100 * time.Millisecond
	// most is the most bytes of an answer: a parameter has 8 KB at most, which JSON may make 48.
	most = 64 << 10
)

// ErrTemporary is in the error of a request that may succeed later.
var ErrTemporary = errors.New("no answer from Parameter Store")

// Read returns the value of a parameter, decrypted. The name is a name or an ARN, and may end in a
// version or a label, as /clerk:3. Endpoint is the URL of a Parameter Store elsewhere than at AWS, or
// empty. Errors are sentences for whoever deploys.
func Read(ctx context.Context, cfg aws.Config, endpoint, name string) (string, error) {
	var err error
	for try := range tries {
		if try > 0 {
			select {
			case <-time.After(pause << (try - 1)):
			case <-ctx.Done():
				return "", err
			}
		}
		var value string
		if value, err = read(ctx, cfg, endpoint, name); err == nil || !errors.Is(err, ErrTemporary) {
			return value, err
		}
	}
	return "", err
}

func read(ctx context.Context, cfg aws.Config, endpoint, name string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, tryWithin)
	defer cancel()
	if endpoint == "" {
		endpoint = "https://ssm." + cfg.Region + "." + bucket.Domain(cfg.Region) + "/"
	}
	body, err := json.Marshal(map[string]any{"Name": name, "WithDecryption": true})
	if err != nil {
		return "", err
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, endpoint, bytes.NewReader(body))
	if err != nil {
		return "", err
	}
	r.Header.Set("Content-Type", "application/x-amz-json-1.1")
	r.Header.Set("X-Amz-Target", "AmazonSSM.GetParameter")
	who, err := cfg.Credentials.Retrieve(ctx)
	if err != nil {
		return "", fmt.Errorf("credentials: %w", err)
	}
	sum := sha256.Sum256(body)
	if err := v4.NewSigner().SignHTTP(ctx, who, r, hex.EncodeToString(sum[:]), "ssm", cfg.Region, time.Now()); err != nil {
		return "", err
	}
	resp, err := cfg.HTTPClient.Do(r)
	if err != nil {
		return "", fmt.Errorf("%w: %w", ErrTemporary, err)
	}
	defer resp.Body.Close()
	data, err := io.ReadAll(io.LimitReader(resp.Body, most))
	if err != nil {
		return "", fmt.Errorf("%w: %w", ErrTemporary, err)
	}
	if resp.StatusCode != http.StatusOK {
		return "", refusal(cfg.Region, resp.StatusCode, data)
	}
	var answer struct{ Parameter struct{ Value *string } }
	if err := json.Unmarshal(data, &answer); err != nil || answer.Parameter.Value == nil {
		return "", errors.New("the answer of Parameter Store has no value")
	}
	return *answer.Parameter.Value, nil
}

// refusal returns the error for an answer.
// https://docs.aws.amazon.com/systems-manager/latest/APIReference/CommonErrors.html
func refusal(region string, status int, data []byte) error {
	var e struct {
		Type    string `json:"__type"`
		Message string `json:"message"`
	}
	_ = json.Unmarshal(data, &e) // it need not be JSON; other cases of message match, too
	code := e.Type[strings.LastIndex(e.Type, "#")+1:]
	switch {
	case code == "ParameterNotFound":
		return fmt.Errorf("there is no such parameter in Parameter Store in region %s", region)
	case code == "ParameterVersionNotFound", code == "ParameterVersionLabelNotFound":
		return errors.New("the parameter in Parameter Store has no such version")
	case status >= 500, status == http.StatusTooManyRequests, strings.Contains(code, "Throttl"):
		return fmt.Errorf("%w: status %d %s", ErrTemporary, status, code)
	}
	return fmt.Errorf("refused by Parameter Store: %s", strings.TrimSpace(fmt.Sprintf("status %d %s %s", status, code, e.Message)))
}
