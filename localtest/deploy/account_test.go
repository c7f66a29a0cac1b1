package deploy_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"os/exec"
	"path"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/lambda"

	"a2alambda/localtest"
	"a2alambda/localtest/deploy"
	"a2alambda/localtest/emulator"
	"a2alambda/localtest/ministack"
)

// key is an access key.
type key struct{ id, secret string }

var root = key{ministack.Key, ministack.Key}

// signer is a transport that signs requests to a service.
func signer(k key, service string, next http.RoundTripper) http.RoundTripper {
	return emulator.Signer{AccessKey: k.id, Secret: k.secret, Service: service, Next: next}
}

// account is an AWS account, asked as its root user.
type account struct {
	*ministack.Account
}

// query asks a service that has the query protocol, and decodes the XML of its answer into out.
func (a account) query(ctx context.Context, service, version, action string, params map[string]string, out any) error {
	return a.Query(ctx, service, version, action, params, out)
}

// user makes an IAM user with a policy, unless that is empty, and returns its access key.
func (a account) user(t testing.TB, name, policy string) key {
	t.Helper()
	id, secret, err := a.User(t.Context(), name, policy)
	localtest.Must(t, err)
	return key{id, secret}
}

func (a account) config() aws.Config {
	return aws.Config{
		Region: ministack.Region, BaseEndpoint: &a.Endpoint,
		Credentials: credentials.NewStaticCredentialsProvider(root.id, root.secret, ""),
	}
}

func (a account) lambda() *lambda.Client     { return lambda.NewFromConfig(a.config()) }
func (a account) dynamodb() *dynamodb.Client { return dynamodb.NewFromConfig(a.config()) }

// stack is a stack in an account, which the SAM CLI deploys with a section of samconfig.toml.
type stack struct {
	account
	name     string
	env      string // of samconfig.toml
	template string // as built
	bucket   *sync.Mutex
}

// deploy sets parameters, "Name=value"; others stay as they are. It returns what the SAM CLI says.
func (s *stack) deploy(t testing.TB, parameters ...string) (string, error) {
	t.Helper()
	args := []string{"deploy", "--config-file", config(t), "--config-env", s.env, "--stack-name", s.name, "--template-file", s.template,
		"--no-confirm-changeset", "--no-fail-on-empty-changeset", "--no-progressbar", "--parameter-overrides"}
	// The first deployment makes a bucket, which the SAM CLI must not do twice at once.
	s.bucket.Lock()
	defer s.bucket.Unlock()
	for _, p := range parameters {
		name, value, _ := strings.Cut(p, "=")
		// Without quotation marks sam takes no empty value.
		args = append(args, fmt.Sprintf(`%s="%s"`, name, value))
	}
	return s.sam(t, args...)
}

// sam runs the SAM CLI in the account.
func (s *stack) sam(t testing.TB, args ...string) (string, error) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), localtest.Setup(t, "sam"), args...)
	cmd.Dir = filepath.Dir(s.template)
	cmd.Env = append(s.Environ(), "SAM_CLI_TELEMETRY=0", "SAM_CLI_POLL_DELAY=1")
	out, err := cmd.CombinedOutput()
	return string(out), err
}

// outputs returns the stack's outputs, by name.
func (s *stack) outputs(t testing.TB) map[string]string {
	t.Helper()
	var described struct {
		Outputs []struct {
			Key   string `xml:"OutputKey"`
			Value string `xml:"OutputValue"`
		} `xml:"DescribeStacksResult>Stacks>member>Outputs>member"`
	}
	err := s.query(t.Context(), "cloudformation", "2010-05-15", "DescribeStacks", map[string]string{"StackName": s.name}, &described)
	localtest.Must(t, err)
	outputs := map[string]string{}
	for _, o := range described.Outputs {
		outputs[o.Key] = o.Value
	}
	return outputs
}

// resource returns the physical id of one of the stack's resources.
func (s *stack) resource(t testing.TB, logical string) string {
	t.Helper()
	var described struct {
		ID string `xml:"DescribeStackResourceResult>StackResourceDetail>PhysicalResourceId"`
	}
	err := s.query(t.Context(), "cloudformation", "2010-05-15", "DescribeStackResource",
		map[string]string{"StackName": s.name, "LogicalResourceId": logical}, &described)
	localtest.Must(t, err)
	return described.ID
}

// role returns the name of a function's role.
func (s *stack) role(t testing.TB, function string) string {
	t.Helper()
	config, err := s.lambda().GetFunctionConfiguration(t.Context(), &lambda.GetFunctionConfigurationInput{
		FunctionName: aws.String(s.resource(t, function)),
	})
	localtest.Must(t, err)
	return path.Base(aws.ToString(config.Role))
}

// version returns the agent's version that its alias leads to.
func (s *stack) version(t testing.TB) string {
	t.Helper()
	alias, err := s.lambda().GetAlias(t.Context(), &lambda.GetAliasInput{
		FunctionName: aws.String(s.resource(t, "AgentFunction")), Name: aws.String("live"),
	})
	localtest.Must(t, err)
	return aws.ToString(alias.FunctionVersion)
}

// invoke invokes a function, by its name in the template.
func (s *stack) invoke(t testing.TB, function string, event any) {
	t.Helper()
	payload, err := json.Marshal(event)
	localtest.Must(t, err)
	out, err := s.lambda().Invoke(t.Context(), &lambda.InvokeInput{FunctionName: aws.String(s.resource(t, function)), Payload: payload})
	if err != nil || out.FunctionError != nil {
		t.Errorf("%s: %v %s %s", function, err, aws.ToString(out.FunctionError), out.Payload)
	}
}

func config(t testing.TB) string { return filepath.Join(deploy.Root(t), "samconfig.toml") }
