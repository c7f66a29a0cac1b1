package e2e

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"a2alambda/localtest"
	"a2alambda/localtest/client"
	"a2alambda/localtest/dynamodblocal"
	"a2alambda/localtest/emulator"
	"a2alambda/localtest/stack"
)

// hooked are the functions that the hook checks, by name.
type hooked map[string]emulator.Config

// running are functions that can be invoked.
type running struct {
	*emulator.Lambda
	functions []*emulator.Emulator
}

func (functions hooked) start(t *testing.T) *running {
	t.Helper()
	r := new(running)
	for name, c := range functions {
		c.Name = name
		if c.Log == nil {
			c.Log = t.Output()
		}
		f, err := emulator.New(c)
		localtest.Must(t, err)
		t.Cleanup(func() { f.Close() })
		r.functions = append(r.functions, f)
	}
	var err error
	r.Lambda, err = emulator.NewLambda(emulator.LambdaConfig{Functions: r.functions, Log: t.Output()})
	localtest.Must(t, err)
	return r
}

// call invokes a function, and then ends all functions, so that their output is complete.
func (r *running) call(t *testing.T, function, event string) error {
	err := r.Call(function, []byte(event))
	for _, f := range r.functions {
		f.Close()
	}
	return err
}

// checkedBy runs the real hook on functions. It returns what CodeDeploy gets, and the hook's log.
func (functions hooked) checkedBy(t *testing.T, event string) (told, log string) {
	t.Helper()
	invoke := functions.start(t)
	lambda := httptest.NewServer(invoke)
	t.Cleanup(lambda.Close)
	names := slices.Collect(maps.Keys(functions))
	var mu sync.Mutex
	codedeploy := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		mu.Lock()
		defer mu.Unlock()
		told += r.Method + r.URL.Path + r.Header.Get("X-Amz-Target") + " " + string(body)
		io.WriteString(w, `{}`)
	}))
	t.Cleanup(codedeploy.Close)

	var printed bytes.Buffer
	hook := hooked{"hook": {Binary: stack.Function(t, "hook"), Log: &printed, Timeout: 20 * time.Second, Overtime: client.Patience, Env: []string{
		"FUNCTIONS=" + strings.Join(names, " "), "AWS_ENDPOINT_URL_LAMBDA=" + lambda.URL, "AWS_ENDPOINT_URL_CODEDEPLOY=" + codedeploy.URL,
	}}}.start(t)
	if err := hook.call(t, "hook", strings.ReplaceAll(event, "HERE", codedeploy.URL)); err != nil {
		t.Fatalf("the hook failed: %v\n%s", err, printed.String())
	}
	mu.Lock()
	defer mu.Unlock()
	return told, printed.String()
}

// deployedFunctions returns the functions over a table, with the permissions of the template.
func deployedFunctions(t *testing.T) hooked {
	t.Helper()
	_, table := dynamodblocal.Table(t)
	all := hooked{}
	for _, name := range []string{"agent", "worker", "push", "sweeper", "callback"} {
		guarded := permitted(t, dynamodblocal.Endpoint(t), strings.ToUpper(name[:1])+name[1:]+"Function")
		all[name] = emulator.Config{Binary: stack.Function(t, name), Env: []string{
			"AUTH=none", "TABLE_NAME=" + table, "WORKER_FUNCTION_NAME=worker", "PUSH_FUNCTION_NAME=push", "AWS_ENDPOINT_URL_DYNAMODB=" + guarded,
		}}
	}
	return all
}

// CodeDeploy and CloudFormation invoke the hook with these events, and get its answer here.
const (
	preTraffic = `{"DeploymentId":"d-1","LifecycleEventHookExecutionId":"e-1"}`
	resource   = `{"RequestType":%q,"ResponseURL":"HERE/response","StackId":"s-1","RequestId":"r-1","ResourceType":"Custom::Check","LogicalResourceId":"FirstCheck","PhysicalResourceId":"check"}`
)

const putStatus = "POST/CodeDeploy_20141006.PutLifecycleEventHookExecutionStatus"

func status(s string) string {
	return fmt.Sprintf(`%s {"deploymentId":"d-1","lifecycleEventHookExecutionId":"e-1","status":%q}`, putStatus, s)
}

// TestHook checks that a deployment goes on if its functions start and reach the table, and stops
// if one function does not.
func TestHook(t *testing.T) {
	t.Parallel()
	functions := deployedFunctions(t)
	if told, log := functions.checkedBy(t, preTraffic); told != status("Succeeded") || strings.Count(log, `"check passed"`) != 5 {
		t.Errorf("CodeDeploy was told %s; the hook's log:\n%s", told, log)
	}
	for name, c := range functions {
		c.Env = append(slices.Clone(c.Env), "TABLE_NAME=of-another-stack")
		one := hooked{}
		for n, other := range functions {
			one[n] = other
		}
		one[name] = c
		told, log := one.checkedBy(t, preTraffic)
		if told != status("Failed") || strings.Count(log, `"check passed"`) != 4 || !strings.Contains(log, `"function":"`+name+`"`) {
			t.Errorf("with %s over a table that there is not, CodeDeploy was told %s; the hook's log:\n%s", name, told, log)
		}
	}
}

// TestHookCreates checks that CloudFormation cannot create a stack whose functions fail, that it
// gets a sentence about why, and that it can always delete the stack.
func TestHookCreates(t *testing.T) {
	t.Parallel()
	functions := deployedFunctions(t)
	if told, _ := functions.checkedBy(t, fmt.Sprintf(resource, "Create")); !strings.HasPrefix(told, "PUT/response ") || !strings.Contains(told, `"Status":"SUCCESS"`) {
		t.Errorf("CloudFormation was told %s", told)
	}
	agent := functions["agent"]
	agent.Env = append(agent.Env, "RETENTION_DAYS=1.5")
	functions["agent"] = agent
	told, _ := functions.checkedBy(t, fmt.Sprintf(resource, "Create"))
	if !strings.Contains(told, `"Status":"FAILED"`) || !strings.Contains(told, `agent: RETENTION_DAYS is \"1.5\", not a number of days`) {
		t.Errorf("CloudFormation was told %s", told)
	}
	for _, request := range []string{"Delete", "Update"} {
		if told, log := functions.checkedBy(t, fmt.Sprintf(resource, request)); !strings.Contains(told, `"Status":"SUCCESS"`) || strings.Contains(log, "check failed") {
			t.Errorf("%s: CloudFormation was told %s", request, told)
		}
	}
}

// TestHookRefusesValues starts the real binaries with invalid values of a parameter or a secret.
// Their version never gets requests, and the hook's log says why.
func TestHookRefusesValues(t *testing.T) {
	t.Parallel()
	key := func(curve elliptic.Curve, marshal func(*ecdsa.PrivateKey) ([]byte, error), kind string) string {
		k, err := ecdsa.GenerateKey(curve, rand.Reader)
		localtest.Must(t, err)
		der, err := marshal(k)
		localtest.Must(t, err)
		return string(pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}))
	}
	pkcs8 := func(k *ecdsa.PrivateKey) ([]byte, error) { return x509.MarshalPKCS8PrivateKey(k) }
	good := key(elliptic.P256(), pkcs8, "PRIVATE KEY")
	functions, deployed, want := hooked{}, deployedFunctions(t), map[string]string{}
	for i, c := range []struct {
		function string
		env      []string
		want     string
	}{
		{"agent", []string{"AUTH="}, `AUTH is "", not one of none, iam and oidc`},
		{"agent", []string{"AUTH=oidc", "OIDC_AUDIENCE=a", "OIDC_ISSUER=http://login.example.com"}, `OIDC_ISSUER: auth: the issuer "http://login.example.com" is no https URL`},
		{"agent", []string{"AUTH=oidc", "OIDC_AUDIENCE=a", "OIDC_ISSUER=login.example.com"}, `OIDC_ISSUER: auth: the issuer "login.example.com" is no https URL`},
		{"agent", []string{"AUTH=oidc", "OIDC_AUDIENCE=a", "OIDC_ISSUER=https://login.example.com "}, `OIDC_ISSUER: auth: the issuer "https://login.example.com " is no https URL`},
		{"agent", []string{"AUTH=none", "OIDC_ISSUER=https://login.example.com"}, `OIDC_ISSUER needs AUTH=oidc, and AUTH is "none": nobody would be asked for a token`},
		{"agent", []string{"AUTH=oidc", "OIDC_ISSUER=https://login.example.com"}, `AUTH=oidc needs OIDC_AUDIENCE, the audience of the tokens`},
		{"agent", []string{"PUSH_ALLOWED_CIDRS=10.0.0.1"}, `PUSH_ALLOWED_CIDRS: "10.0.0.1" is no prefix such as 10.0.0.0/8`},
		{"push", []string{"PUSH_ALLOWED_CIDRS=10.0.0.0/33"}, `PUSH_ALLOWED_CIDRS: "10.0.0.0/33" is no prefix such as 10.0.0.0/8`},
		{"agent", []string{"RETENTION_DAYS=1.5"}, `RETENTION_DAYS is "1.5", not a number of days from 1 to 36500`},
		{"agent", []string{"RETENTION_DAYS=106752"}, `RETENTION_DAYS is "106752", not a number of days from 1 to 36500`},
		{"agent", []string{"PUBLIC_URL=https://"}, `PUBLIC_URL is "https://", not a URL such as https://agent.example.com`},
		{"agent", []string{"PUBLIC_URL=https://agent.example.com/?a"}, `PUBLIC_URL is "https://agent.example.com/?a": it may have a path, but no user, query or fragment`},
		{"agent", []string{`CARD_SIGNING_KEY={"username":"","password":""}`}, `CARD_SIGNING_KEY: there is no PEM (-----BEGIN PRIVATE KEY-----)`},
		{"agent", []string{"CARD_SIGNING_KEY=" + key(elliptic.P256(), x509.MarshalECPrivateKey, "EC PRIVATE KEY")},
			`CARD_SIGNING_KEY: the PEM is "EC PRIVATE KEY" instead of "PRIVATE KEY" (PKCS #8, as openssl pkcs8 -topk8 -nodes writes it)`},
		{"agent", []string{"CARD_SIGNING_KEY=" + key(elliptic.P384(), pkcs8, "PRIVATE KEY")}, `CARD_SIGNING_KEY: the key's curve is P-384 instead of P-256`},
		{"agent", []string{"CARD_SIGNING_KEY=" + good, "OTHER_CARD_PUBLIC_KEY=AAAA"}, `OTHER_CARD_PUBLIC_KEY: it is not a public key in DER (SubjectPublicKeyInfo)`},
		{"agent", []string{"OTHER_CARD_PUBLIC_KEY=AAAA"}, `OTHER_CARD_PUBLIC_KEY needs CARD_SIGNING_KEY: it is the second key, not the first`},
		{"agent", []string{"SETTINGS=MAX_TOKEN=1"}, `SETTINGS has MAX_TOKEN, which is none of AGENT_CONFIG, FILES_ALLOWED, JOIN_WINDOW, JOURNAL_ENTRIES, MAX_ROUNDS, MAX_TOKENS, MODEL_PRICE, MODEL_TIMEOUT, ON_MISMATCH, PEERS, PEERS_ALLOWED_CIDRS, TASK_TOKENS`},
		{"sweeper", []string{"SETTINGS=MAX_TOKEN=1"}, `SETTINGS has MAX_TOKEN, which is none of AGENT_CONFIG, FILES_ALLOWED, JOIN_WINDOW, JOURNAL_ENTRIES, MAX_ROUNDS, MAX_TOKENS, MODEL_PRICE, MODEL_TIMEOUT, ON_MISMATCH, PEERS, PEERS_ALLOWED_CIDRS, TASK_TOKENS`},
		{"push", []string{"SETTINGS=MAX_TOKENS"}, `SETTINGS has "MAX_TOKENS", which is not NAME=value`},
		{"worker", []string{"AGENT=bedrock", "MODEL_ID=m", "SETTINGS=MAX_TOKENS=1.5"}, `MAX_TOKENS is "1.5", not a number of tokens`},
		{"worker", []string{"AGENT=bedrock", "MODEL_ID=m", "SETTINGS=MAX_TOKENS=2147483648"}, `MAX_TOKENS is "2147483648", not a number of tokens`},
		{"worker", []string{"AGENT=bedrock"}, `AGENT=bedrock needs MODEL_ID`},
	} {
		name := fmt.Sprintf("%s-%d", c.function, i)
		config := deployed[c.function]
		config.Env = slices.Concat(config.Env, c.env)
		functions[name], want[name] = config, c.function+": "+c.want
	}
	told, log := functions.checkedBy(t, preTraffic)
	if told != status("Failed") {
		t.Errorf("CodeDeploy was told %s", told)
	}
	got := map[string]string{}
	for line := range strings.Lines(log) {
		var l struct{ Message, Function, Error string }
		if json.Unmarshal([]byte(line), &l) == nil && l.Message == "check failed" {
			got[l.Function] = l.Error
		}
	}
	for name, want := range want {
		if got[name] != want {
			t.Errorf("%s: %q, want %q", name, got[name], want)
		}
	}
}
