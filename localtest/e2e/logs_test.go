package e2e

import (
	"bytes"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/a2aproject/a2a-go/v2/a2a"

	"a2alambda/internal/auth/authtest"
	"a2alambda/internal/telemetry"
	"a2alambda/localtest"
	"a2alambda/localtest/client"
	"a2alambda/localtest/emulator"
	"a2alambda/localtest/process"
)

// fields are the fields of a line of the log, by its message: each value's JSON as a regular
// expression. A field whose name ends in ! is required.
var fields = map[string]map[string]string{
	telemetry.Request: {
		"operation": `"[A-Z][A-Za-z]+"`, "version": `"(1\.0|0\.3)"`, "binding": `"(JSONRPC|HTTP\+JSON)"`,
		"context": id, "status!": `[1-5]\d\d`, "error": `"[A-Z]\w+Error"`, "code": `-3\d{4}`, "errors": `1`,
		"firstByteMs": number, "slowStreams": `1`, "requestMs!": number, "state": taskState, "events": count, "task": id, "trace": traceID,
	},
	telemetry.Run: {
		"end":     `"(canceled|handed over|out of time|unfinished|failed|interrupted|lost)"`,
		"runMs!":  number,
		"cancels": `1`, "handOvers": `1`, "recoveries": `1`, "failures": `1`,
		"state": taskState, "events": count, "task!": id, "context!": id, "trace": traceID,
	},
	telemetry.Delivery: {
		"config!": `"[\w-]+"`, "end": `"(put off|given up|left|lost)"`, "breaker": `"(open|slow)"`, "pushes": count, "pushFailures": `1`, "deliveryMs!": number,
		"task!": id, "trace": traceID,
	},
	telemetry.Sweep: {
		"running": count, "asked": count, "settled": count, "due": count, "pushesAsked": count, "left": count, "behind": count,
		"oldestMs": count, "sweepMs!": number,
	},
}

const (
	number    = `\d+(\.\d+)?`
	count     = `[1-9]\d*`
	id        = `"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}"`
	traceID   = `"[0-9a-f]{32}"`
	taskState = `"TASK_STATE_[A-Z_]+"`
)

func init() {
	for _, of := range fields {
		maps.Copy(of, map[string]string{
			"timestamp!": `"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d.*"`, "level!": `"INFO"`, "message!": `"\w+"`, "requestId!": id,
			"readUnits": number, "writeUnits": number, "retries": count, "throttles": count, "service!": `"stack"`, "_aws!": `\{.*\}`,
		})
	}
	// A sweep that finds nothing has no metrics: with DynamoDB Local a vain look costs nothing.
	sweep := fields[telemetry.Sweep]
	for _, name := range []string{"service", "_aws"} {
		sweep[name] = sweep[name+"!"]
		delete(sweep, name+"!")
	}
}

// checkLine returns what is wrong with a line.
func checkLine(line []byte) error {
	var got map[string]json.RawMessage
	if err := json.Unmarshal(line, &got); err != nil {
		return err
	}
	var message string
	if err := json.Unmarshal(got["message"], &message); err != nil {
		return err
	}
	schema, known := fields[message]
	if !known {
		return nil // an error's
	}
	for name, pattern := range schema {
		name, required := strings.CutSuffix(name, "!")
		value, there := got[name]
		if there && !regexp.MustCompile(`^`+pattern+`$`).Match(value) || required && !there {
			return fmt.Errorf("%s is %s, want %s", name, value, pattern)
		}
	}
	for name := range got {
		if schema[name] == "" && schema[name+"!"] == "" {
			return fmt.Errorf("there is no field %s", name)
		}
	}
	if got["_aws"] == nil {
		return nil
	}
	return checkMetrics(got)
}

// checkMetrics returns what is wrong with the metrics in a line:
// https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/CloudWatch_Embedded_Metric_Format_Specification.html
func checkMetrics(line map[string]json.RawMessage) error {
	var aws struct {
		Timestamp         int64
		CloudWatchMetrics []struct {
			Namespace  string
			Dimensions [][]string
			Metrics    []struct{ Name, Unit string }
		}
	}
	d := json.NewDecoder(bytes.NewReader(line["_aws"]))
	d.DisallowUnknownFields()
	if err := d.Decode(&aws); err != nil {
		return err
	}
	if age := time.Since(time.UnixMilli(aws.Timestamp)); age < 0 || age > time.Hour || len(aws.CloudWatchMetrics) == 0 {
		return fmt.Errorf("the metrics are %s", line["_aws"])
	}
	for _, of := range aws.CloudWatchMetrics {
		if of.Namespace != telemetry.Namespace || len(of.Dimensions) == 0 || len(of.Metrics) == 0 {
			return fmt.Errorf("the metrics are %s", line["_aws"])
		}
		for _, set := range of.Dimensions {
			for _, name := range set {
				var value string
				if json.Unmarshal(line[name], &value) != nil || value == "" {
					return fmt.Errorf("the dimension %s is %s", name, line[name])
				}
			}
		}
		for _, m := range of.Metrics {
			var value float64
			if json.Unmarshal(line[m.Name], &value) != nil || m.Unit != "Count" && m.Unit != "Milliseconds" {
				return fmt.Errorf("the metric %s is %s in %s", m.Name, line[m.Name], m.Unit)
			}
		}
	}
	return nil
}

type logs struct{ process.Output }

// await waits until some line matches each expression.
func (l *logs) await(t *testing.T, expressions ...string) {
	t.Helper()
	client.Await(t, 20*time.Millisecond, func() string {
		missing := slices.DeleteFunc(slices.Clone(expressions), func(e string) bool { return regexp.MustCompile(e).MatchString(l.String()) })
		return strings.Join(missing, " and ")
	})
}

// TestLogs makes the system do all that it can, with a secret in messages, tokens and credentials.
// Each line of the logs has the right fields, each kind of line is there, and none has the secret.
func TestLogs(t *testing.T) {
	t.Parallel()
	secret := rand.Text()
	var printed logs
	issuer := authtest.NewIssuer(t)
	webhook := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/gone" {
			w.WriteHeader(http.StatusGone)
		} else if r.URL.Path == "/fails" {
			w.WriteHeader(http.StatusTeapot)
		}
	}))
	webhook.Start()
	t.Cleanup(webhook.Close)
	g := newGate(t, 0)
	s := newSystem(t, options{
		gate:         g,
		agentTimeout: 7 * time.Second, // a run has 2 s of it before its hand-over
		webhooks:     "127.0.0.0/8", givenUp: func(emulator.Event) {},
		auth: []string{"AUTH=oidc", "OIDC_ISSUER=" + issuer.URL, "OIDC_AUDIENCE=agent"},
		logs: &printed,
	})
	token := issuer.Token(map[string]any{"sub": "alice-" + secret, "aud": "agent"})
	do := func(token, method, params string) string {
		t.Helper()
		a, err := client.Do(t.Context(), http.MethodPost, s.url,
			fmt.Sprintf(`{"jsonrpc":"2.0","id":%q,"method":%q,"params":%s}`, secret, method, params),
			"Authorization", "Bearer "+token, "X-Secret", secret, "Traceparent", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01")
		if err != nil {
			t.Error(err)
		}
		return a.Body
	}
	params := func(config string) string {
		message := fmt.Sprintf(`{"role":"ROLE_USER","messageId":%q,"metadata":{"m":%[2]q},"parts":[{"text":%[2]q},{"data":%[2]q},{"raw":"QUJD","filename":%[2]q}]}`,
			rand.Text(), secret)
		return fmt.Sprintf(`{"metadata":{"m":%q},"message":%s%s}`, secret, message, config)
	}
	hook := func(path string) string {
		return fmt.Sprintf(`,"configuration":{"returnImmediately":true,"taskPushNotificationConfig":{"id":%q,"url":%q,"token":%q,"authentication":{"scheme":"Bearer","credentials":%q}}}`,
			path, webhook.URL+"/"+path+"?x="+secret, secret, secret)
	}

	// An instance is killed. After 15 s, when its lease has ended by the clock, the sweeper finds the task.
	lost := a2a.TaskID(client.TaskIn(t, do(token, "SendMessage", params(`,"configuration":{"returnImmediately":true}`))))
	client.Await(t, 10*time.Millisecond, func() string {
		snapshot, err := s.log.Load(t.Context(), lost)
		if err == nil && snapshot.Task.Status.State == a2a.TaskStateWorking {
			return ""
		}
		return fmt.Sprintf("the worker does not run the task: %+v, %v", snapshot, err)
	})
	localtest.Must(t, s.Worker.Kill(busy(t, s.Worker)))

	var group sync.WaitGroup
	group.Go(func() { do(token, "SendStreamingMessage", params("")) }) // ends in a hand-over
	for _, path := range []string{"takes", "fails", "gone"} {
		group.Go(func() { do(token, "SendMessage", params(hook(path))) })
	}
	group.Go(func() {
		task := client.TaskIn(t, do(token, "SendMessage", params(`,"configuration":{"returnImmediately":true}`)))
		do(token, "CancelTask", client.ByID(task))
		do(token, "GetTask", client.ByID(task))
		for range 10 { // until it is too late to cancel, which takes a moment on a busy machine
			if strings.Contains(do(token, "CancelTask", client.ByID(task)), "-32002") {
				break
			}
		}
	})
	group.Go(func() {
		do(token, "GetTask", client.ByID(secret))
		do(token, "SendMessage", fmt.Sprintf(`{"message":{"role":%q}}`, secret))
		do(token, secret, `{}`)
		do(token+secret, "ListTasks", `{}`)
		do(secret, "ListTasks", `{}`)
		do(token, "ListTasks", `{}`)
		if _, err := client.Do(t.Context(), http.MethodGet, s.url+"/"+secret+"?q="+secret, ""); err != nil {
			t.Error(err)
		}
	})
	group.Wait()
	g.open()
	sweeping := time.NewTicker(time.Second)
	defer sweeping.Stop()
	for end := time.Now().Add(client.Patience); !strings.Contains(printed.String(), `"recoveries":1`) && time.Now().Before(end); <-sweeping.C {
		localtest.Must(t, s.Sweep())
	}
	printed.await(t,
		`"message":"request","operation":"SendStreamingMessage","version":"1.0","binding":"JSONRPC","task":.*"firstByteMs":.*"writeUnits":`,
		`"message":"request","operation":"CancelTask",.*"error":"TaskNotCancelableError","code":-32002,"errors":1`,
		`"message":"request".*"error":"UnauthenticatedError"`,
		`"message":"run",.*"state":"TASK_STATE_COMPLETED"`, `"message":"run",.*"end":"canceled",.*"cancels":1`,
		`"message":"run",.*"end":"handed over",.*"handOvers":1`, `"message":"run",.*"recoveries":1`,
		`"message":"delivery",.*"config":"takes",.*"pushes":[1-6]`, `"message":"delivery",.*"end":"given up","pushFailures":1`,
		`"message":"delivery",.*"end":"put off","pushFailures":1`, `"message":"sweep",`,
	)
	for line := range strings.Lines(printed.String()) {
		if line = strings.TrimSpace(line); strings.HasPrefix(line, "{") {
			if err := checkLine([]byte(line)); err != nil {
				t.Errorf("%v:\n%s", err, line)
			}
		}
	}
	for name, what := range map[string]string{"secret": secret, "token": token, "signature": token[strings.LastIndexByte(token, '.')+1:]} {
		if i := strings.Index(printed.String(), what); i >= 0 {
			t.Errorf("the log has the %s: …%s", name, printed.String()[max(0, i-300):i])
		}
	}
}
