// Package deploy_test deploys template.yaml to an emulated AWS account, and checks the stack.
package deploy_test

import (
	"encoding/json"
	"errors"
	"flag"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/a2aproject/a2a-go/v2/a2a"
	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/lambda"

	"a2alambda/internal/auth/authtest"
	"a2alambda/internal/check"
	"a2alambda/localtest"
	"a2alambda/localtest/ministack"
	"a2alambda/localtest/samlocal"

	agent "a2alambda/localtest/client"
)

var full = flag.Bool("full", false, "deploy each Auth both for trying it out and for production, and lint with each set of parameters: some minutes")

// TestDeploy deploys the template that sam has built, with the SAM CLI and the sections of
// samconfig.toml. Clients use what is there: card, stream, a task of the worker, its push
// notification; some are refused. Then it changes a parameter, tries wrong values, which
// CloudFormation's rules or the hook refuse, and deletes the stack.
func TestDeploy(t *testing.T) {
	_, built := samlocal.Template(t)
	issuer, certificate := authtest.NewTLSIssuer(t)
	d := &deployment{
		built:   built,
		account: account{ministack.Start(t, "SSL_CERT_FILE="+certificate)},
		issuer:  issuer,
	}
	t.Logf("The template is deployed as it is, but for this machine's processor. What ministack lacks for it is added to ministack:\n%s", strings.Join(d.account.Bridged, "\n"))
	d.allowed = d.account.user(t, "allowed", `{"Statement":[{"Effect":"Allow","Action":["lambda:InvokeFunctionUrl","lambda:InvokeFunction","execute-api:Invoke"],"Resource":"*"}]}`)
	d.nobody = d.account.user(t, "nobody", "")
	for env, auths := range map[string][]string{"dev": {"iam", "none"}, "prod": {"oidc"}} {
		if *full {
			auths = []string{"none", "iam", "oidc", "none"}
		}
		t.Run(env, func(t *testing.T) {
			t.Parallel()
			d.test(t, env, auths)
		})
	}
}

// deployment is what a test's stacks share.
type deployment struct {
	account
	built           string // the template
	issuer          *authtest.Issuer
	allowed, nobody key
	bucket          sync.Mutex
}

// parameters returns the parameters of an Auth.
func (d *deployment) parameters(auth string) []string {
	issuer, audience := "", ""
	if auth == "oidc" {
		issuer, audience = d.issuer.URL, "agent"
	}
	return []string{"Auth=" + auth, "OidcIssuer=" + issuer, "OidcAudience=" + audience}
}

func (d *deployment) test(t *testing.T, env string, auths []string) {
	s := &stack{account: d.account, name: "agent-" + env, env: env, template: d.built, bucket: &d.bucket}
	hook := newReceiver(t)
	always := []string{"WebhookAllowedCidrs=127.0.0.1/32", "Production=no"}
	if env == "prod" {
		always = append(always[:1], strings.Fields(bounded)...)
	}
	for i, auth := range auths {
		before := ""
		if i > 0 {
			before = s.version(t)
		}
		if out, err := s.deploy(t, append(always, d.parameters(auth)...)...); err != nil {
			t.Fatalf("Auth %s: %v\n%s", auth, err, out)
		}
		if i > 0 && s.version(t) == before {
			t.Errorf("after a change of Auth to %s, the alias leads to version %s still", auth, before)
		}
		url := s.outputs(t)["AgentUrl"]
		c := newClient(t, url, d.caller(auth))
		if got := c.card.SupportedInterfaces[0].URL; got != url {
			t.Errorf("Auth %s: the card has the URL %s, want %s", auth, got, url)
		}
		d.use(t, s, c, hook, auth)
		d.refused(t, s, c, auth)
		d.api(t, s, auth)
	}
	s.invoke(t, "SweeperFunction", struct{}{})
	d.enforced(t, s, auths[len(auths)-1])
	if env == "dev" || *full {
		d.managed(t, s, auths[len(auths)-1])
	}
	d.change(t, s, auths[len(auths)-1])
	if env == "dev" || *full {
		d.refuse(t, s)
		s.refuseAll(t)
	}
	if env == "prod" || *full {
		d.takeBack(t, s, auths[len(auths)-1])
	}
	d.delete(t, s)
}

// caller is the transport of a caller who may use the agent's function URL.
func (d *deployment) caller(auth string) http.RoundTripper {
	switch auth {
	case "iam":
		return signer(d.allowed, "lambda", d.account)
	case "oidc":
		return agent.Bearer{Token: d.issuer.Token(map[string]any{"sub": "alice", "aud": "agent"}), Next: d.account}
	}
	return d.account
}

// use does what clients do: a stream, a task that the worker runs, its push notification, a list.
func (d *deployment) use(t *testing.T, s *stack, c *client, hook *receiver, auth string) {
	t.Helper()
	streamed := c.stream(t)
	later := c.later(t, a2a.SendMessageConfig{PushConfig: &a2a.PushConfig{URL: hook.url, Token: "secret"}})
	hook.wait(t, later.ID)
	list, err := c.ListTasks(t.Context(), &a2a.ListTasksRequest{})
	if err != nil {
		t.Fatalf("Auth %s: %v", auth, err)
	}
	if len(list.Tasks) < 2 || list.Tasks[0].ID != later.ID || list.Tasks[1].ID != streamed {
		t.Errorf("Auth %s: the list has %+v, want %s and %s first", auth, list.Tasks, later.ID, streamed)
	}
	// ministack's function URL answers in one piece, which is no failure.
	var told strings.Builder
	err = check.Run(t.Context(), check.Config{
		URL: s.outputs(t)["AgentUrl"], Client: c.http, Need: []string{"card", "resume", "retry", "get", "refused"},
	}, &told)
	t.Logf("Auth %s: agent check says\n%s", auth, &told)
	if err != nil {
		t.Errorf("Auth %s: %v", auth, err)
	}
}

// refused tries what no caller may do, and what only some callers may do.
func (d *deployment) refused(t *testing.T, s *stack, c *client, auth string) {
	t.Helper()
	if _, err := c.GetTask(t.Context(), &a2a.GetTaskRequest{ID: "unknown"}); !errors.Is(err, a2a.ErrTaskNotFound) {
		t.Errorf("Auth %s: an unknown task: %v", auth, err)
	}
	for _, try := range []struct {
		auth, who string
		as        http.RoundTripper
		want      int
	}{
		{"iam", "who does not sign", d.account, http.StatusForbidden},
		{"iam", "who is not allowed", signer(d.nobody, "lambda", d.account), http.StatusForbidden},
		{"iam", "who signs with another's secret", signer(key{d.allowed.id, d.nobody.secret}, "lambda", d.account), http.StatusForbidden},
		{"oidc", "who has no token", d.account, http.StatusUnauthorized},
		{"oidc", "who has a token for others", agent.Bearer{Token: d.issuer.Token(map[string]any{"sub": "alice", "aud": "others"}), Next: d.account}, http.StatusUnauthorized},
	} {
		if try.auth == auth {
			if got, body := status(t, c.url, try.as); got != try.want {
				t.Errorf("%s: %s gets %d %s, want %d", auth, try.who, got, body, try.want)
			}
		}
	}
}

// api calls the agent through API Gateway, if the stack has it.
func (d *deployment) api(t *testing.T, s *stack, auth string) {
	t.Helper()
	url, ok := s.outputs(t)["ApiUrl"]
	if !ok {
		t.Errorf("Auth %s: there is no API", auth)
		return
	}
	as := d.caller(auth)
	if auth == "iam" {
		as = signer(d.allowed, "execute-api", d.account)
		for who, as := range map[string]http.RoundTripper{"who does not sign": d.account, "who is not allowed": signer(d.nobody, "execute-api", d.account)} {
			if got, body := status(t, url, as); got != http.StatusForbidden {
				t.Errorf("iam: %s gets %d %s from the API", who, got, body)
			}
		}
	}
	if got, body := status(t, url, as); got != http.StatusOK || !strings.Contains(body, `"tasks":[{`) {
		t.Errorf("Auth %s: the API answers %d %s, want the tasks", auth, got, body)
	}
}

// enforced takes a permission away: the agent must fail, as the account enforces policies.
func (d *deployment) enforced(t *testing.T, s *stack, auth string) {
	t.Helper()
	policy := map[string]string{
		"RoleName": s.role(t, "AgentFunction"), "PolicyName": "less",
		"PolicyDocument": `{"Statement":[{"Effect":"Deny","Action":"dynamodb:PutItem","Resource":"*"}]}`,
	}
	iam := func(action string) {
		t.Helper()
		localtest.Must(t, d.query(t.Context(), "iam", "2010-05-08", action, policy, new(struct{})))
	}
	c := newClient(t, s.outputs(t)["AgentUrl"], d.caller(auth))
	iam("PutRolePolicy")
	if _, err := c.SendMessage(t.Context(), &a2a.SendMessageRequest{Message: text("Stream me a response!")}); err == nil {
		t.Error("the agent writes a task without a permission")
	}
	iam("DeleteRolePolicy")
	c.stream(t)
}

// change changes only a parameter: the new version has it.
func (d *deployment) change(t *testing.T, s *stack, auth string) {
	t.Helper()
	before := s.version(t)
	const domain = "https://agent.example.com/"
	if out, err := s.deploy(t, "PublicUrl="+domain); err != nil {
		t.Fatalf("PublicUrl: %v\n%s", err, out)
	}
	c := newClient(t, s.outputs(t)["AgentUrl"], d.caller(auth))
	if got := c.card.SupportedInterfaces[0].URL; got != domain || s.version(t) == before {
		t.Errorf("with another PublicUrl the card has %s in version %s, before it was %s", got, s.version(t), before)
	}
}

// managed moves to Managed Instances and back: there are two URLs then, both for all tasks.
func (d *deployment) managed(t *testing.T, s *stack, auth string) {
	t.Helper()
	before := newClient(t, s.outputs(t)["AgentUrl"], d.caller(auth))
	tasks := []a2a.TaskID{before.stream(t)}
	capacity := []string{"CapacitySubnets=subnet-0a1b2c3d,subnet-1b2c3d4e", "CapacitySecurityGroups=sg-0a1b2c3d"}
	if out, err := s.deploy(t, append(capacity, "MaxManaged=10")...); err != nil {
		t.Fatalf("with a capacity provider: %v\n%s", err, out)
	}
	if _, err := d.lambda().ListFunctions(t.Context(), &lambda.ListFunctionsInput{}); err != nil {
		t.Errorf("the functions, with one at a capacity provider: %v", err)
	}
	url := s.outputs(t)["ManagedUrl"]
	there := newClient(t, url, d.caller(auth))
	if got := there.card.SupportedInterfaces[0].URL; got != url || url == before.url {
		t.Errorf("the card at ManagedUrl has the URL %s, want %s, which is not %s", got, url, before.url)
	}
	tasks = append(tasks, there.stream(t), there.later(t, a2a.SendMessageConfig{}).ID, before.stream(t))
	all := func(c *client) {
		t.Helper()
		for _, id := range tasks {
			if _, err := c.GetTask(t.Context(), &a2a.GetTaskRequest{ID: id}); err != nil {
				t.Errorf("task %s at %s: %v", id, c.url, err)
			}
		}
	}
	all(there)
	all(before)
	if out, err := s.deploy(t, "CapacitySubnets=", "CapacitySecurityGroups=", "MaxManaged=0"); err != nil {
		t.Fatalf("back: %v\n%s", err, out)
	}
	if url, ok := s.outputs(t)["ManagedUrl"]; ok {
		t.Errorf("there is still %s", url)
	}
	all(before)
}

// refuse tries to deploy a wrong value.
func (d *deployment) refuse(t *testing.T, s *stack) {
	t.Helper()
	before := s.version(t)
	out, err := s.deploy(t, "Auth=oidc", "OidcIssuer=")
	if err == nil || !strings.Contains(out, "Auth oidc needs OidcIssuer.") || s.version(t) != before {
		t.Errorf("Auth oidc without an issuer: %v, version %s after %s\n%s", err, s.version(t), before, out)
	}
}

// takeBack deploys a value that only the functions know to be wrong: the hook refuses the version.
func (d *deployment) takeBack(t *testing.T, s *stack, auth string) {
	t.Helper()
	before := s.version(t)
	out, err := s.deploy(t, "Settings=UNKNOWN=1")
	if err == nil || !strings.Contains(out, "the hook says Failed") || s.version(t) != before {
		t.Errorf("with a setting that there is not: %v, version %s after %s\n%s", err, s.version(t), before, out)
	}
	// The agent and the worker have not changed.
	newClient(t, s.outputs(t)["AgentUrl"], d.caller(auth)).later(t, a2a.SendMessageConfig{})
	// The refused version still exists, and the next deployment succeeds.
	if out, err := s.deploy(t, "Settings=", "Release=again"); err != nil || s.version(t) == before {
		t.Errorf("after a version that was refused: %v, version %s after %s\n%s", err, s.version(t), before, out)
	}
}

// delete deletes the stack. The tasks remain.
func (d *deployment) delete(t *testing.T, s *stack) {
	t.Helper()
	table := s.resource(t, "TaskTable")
	if out, err := s.sam(t, "delete", "--stack-name", s.name, "--no-prompts", "--region", ministack.Region); err != nil {
		t.Fatalf("sam delete: %v\n%s", err, out)
	}
	list, err := d.lambda().ListFunctions(t.Context(), &lambda.ListFunctionsInput{})
	localtest.Must(t, err)
	for _, f := range list.Functions {
		if strings.HasPrefix(aws.ToString(f.FunctionName), s.name) {
			t.Errorf("%s is left of the stack", aws.ToString(f.FunctionName))
		}
	}
	left, err := d.dynamodb().Scan(t.Context(), &dynamodb.ScanInput{TableName: &table})
	if err != nil || left.Count == 0 {
		t.Errorf("the table has %d items, %v", left.Count, err)
	}
	_, err = d.dynamodb().DeleteTable(t.Context(), &dynamodb.DeleteTableInput{TableName: &table})
	if protected := err != nil && strings.Contains(err.Error(), "protection"); protected != (s.env == "prod") {
		t.Errorf("deleting the table of %s: %v", s.env, err)
	}
}

type receiver struct {
	url  string
	came chan a2a.TaskID // tasks that have ended
}

func newReceiver(t testing.TB) *receiver {
	r := &receiver{came: make(chan a2a.TaskID, 100)}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		body, err := io.ReadAll(req.Body)
		var event struct {
			StatusUpdate a2a.TaskStatusUpdateEvent
			Task         *a2a.Task
		}
		if err == nil {
			err = json.Unmarshal(body, &event)
		}
		switch {
		case err != nil:
			t.Errorf("a push notification: %v: %s", err, body)
		case req.Header.Get("X-A2A-Notification-Token") != "secret":
			t.Error("a push notification without its token")
		case event.Task != nil && event.Task.Status.State.Terminal():
			r.came <- event.Task.ID
		case event.StatusUpdate.Status.State.Terminal():
			r.came <- event.StatusUpdate.TaskID
		}
	}))
	t.Cleanup(server.Close)
	r.url = server.URL
	return r
}

func (r *receiver) wait(t testing.TB, id a2a.TaskID) {
	t.Helper()
	select {
	case got := <-r.came:
		if got != id {
			t.Errorf("a push notification tells of %s, want %s", got, id)
		}
	case <-time.After(agent.Patience):
		t.Fatalf("no push notification of %s", id)
	}
}
