// Package parameter reads a parameter of AWS Systems Manager's Parameter Store.
//
// It is not the SDK's client: see package awscall.
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
	"github.com/aws/aws-sdk-go-v2/aws/retry"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"

	"a2alambda/internal/awscall"
)

const (
	// It is read while an instance starts, for which Lambda has ten seconds.
	tries     = 4
	tryWithin = 3 * time.Second
	mostPause = 400 * time.Millisecond // between two tries
	// most is the most bytes of an answer: a parameter has 8 KB at most, which JSON may make 48.
	most = 64 << 10
)

// Read returns the value of a parameter, decrypted. The name is a name or an ARN, and may end in a
// version or a label, as /clerk:3. Errors are sentences for whoever deploys.
func Read(ctx context.Context, cfg aws.Config, name string) (value string, err error) {
	r := retry.AddWithMaxBackoffDelay(retry.AddWithMaxAttempts(awscall.Retryer(cfg), tries), mostPause)
	_, err = awscall.Do(ctx, r.(aws.RetryerV2), func(ctx context.Context) (err error) {
		value, err = read(ctx, cfg, name)
		return err
	})
	return value, err
}

func read(ctx context.Context, cfg aws.Config, name string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, tryWithin)
	defer cancel()
	endpoint := awscall.Endpoint(cfg, "SSM")
	if endpoint == "" {
		endpoint = "https://ssm." + cfg.Region + "." + awscall.Domain(cfg.Region) + "/"
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
		return "", unanswered(err)
	}
	defer resp.Body.Close()
	data, err := io.ReadAll(io.LimitReader(resp.Body, most))
	if err != nil {
		return "", unanswered(err)
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

func unanswered(err error) error {
	return awscall.Again{Err: fmt.Errorf("no answer from Parameter Store: %w", err)}
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
		return unanswered(fmt.Errorf("status %d %s", status, code))
	}
	return fmt.Errorf("refused by Parameter Store: %s", strings.TrimSpace(fmt.Sprintf("status %d %s %s", status, code, e.Message)))
}
