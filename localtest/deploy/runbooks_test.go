package deploy_test

import (
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/a2aproject/a2a-go/v2/a2a"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"a2alambda/localtest"
	"a2alambda/localtest/deploy"
	"a2alambda/localtest/ministack"
	"a2alambda/localtest/samlocal"

	agent "a2alambda/localtest/client"
)

// runbook returns the commands in a section of docs/operations.md.
func runbook(t testing.TB, section string) string {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(deploy.Root(t), "docs", "operations.md"))
	localtest.Must(t, err)
	_, text, found := strings.Cut(string(data), "\n## "+section+"\n")
	text, _, _ = strings.Cut(text, "\n## ")
	var commands []string
	for _, block := range regexp.MustCompile("(?s)```sh\n(.*?)```").FindAllStringSubmatch(text, -1) {
		commands = append(commands, block[1])
	}
	if !found || len(commands) == 0 {
		t.Fatalf("docs/operations.md has no commands in %q", section)
	}
	return strings.Join(commands, "\n")
}

// run runs a person's commands with the SAM CLI and the AWS CLI. samconfig.toml, and the answers to
// questions, are for this stack.
func (s *stack) run(t testing.TB, commands string) string {
	t.Helper()
	programs := t.TempDir()
	sam := fmt.Sprintf("#!/bin/bash\n# deploy --config-env prod …\nexec %s deploy --config-file %s --config-env %s --stack-name %s --template-file %s "+
		"--no-confirm-changeset --no-fail-on-empty-changeset \"${@:4}\"\n", localtest.Setup(t, "sam"), config(t), s.env, s.name, s.template)
	localtest.Must(t, os.WriteFile(filepath.Join(programs, "sam"), []byte(sam), 0o700))
	localtest.Must(t, os.Symlink(localtest.Setup(t, "aws"), filepath.Join(programs, "aws")))
	cmd := exec.CommandContext(t.Context(), "bash", "-euc", commands)
	cmd.Dir = filepath.Dir(s.template)
	cmd.Env = append(s.Environ(), "SAM_CLI_TELEMETRY=0", "SAM_CLI_POLL_DELAY=1", "STACK="+s.name, "REGION="+ministack.Region,
		"PATH="+programs+":"+os.Getenv("PATH"))
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s\n%s", err, commands, out)
	}
	return string(out)
}

// TestRunbooks restores the table as docs/operations.md says, and goes back. With -full it also
// rotates the key that signs the card. It cannot show that nobody writes to the table meanwhile:
// ministack ignores a table's policy.
func TestRunbooks(t *testing.T) {
	_, built := samlocal.Template(t)
	s := &stack{account: account{ministack.Start(t)}, name: "runbooks", env: "dev", template: built, bucket: new(sync.Mutex)}
	if out, err := s.deploy(t, "Auth=none"); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	c := newClient(t, s.outputs(t)["AgentUrl"], s.account)
	before, own := c.stream(t), s.outputs(t)["TableName"]

	s.run(t, strings.Replace(runbook(t, "Restoring the table"), "--restore-date-time 2026-11-26T12:00:00Z", "--use-latest-restorable-time", 1))
	restored := s.outputs(t)["TableName"]
	if restored != own+"-restored" {
		t.Errorf("the tasks are in %s", restored)
	}
	if _, err := c.GetTask(t.Context(), &a2a.GetTaskRequest{ID: before}); err != nil {
		t.Errorf("a task of before: %v", err)
	}
	after := c.later(t, a2a.SendMessageConfig{}).ID // the worker has the table, too
	s.invoke(t, "SweeperFunction", struct{}{})
	if s.has(t, own, after) || !s.has(t, restored, after) {
		t.Errorf("a task of afterwards is in the table of before: %t, in the restored one: %t", s.has(t, own, after), s.has(t, restored, after))
	}
	ttl, err := s.dynamodb().DescribeTimeToLive(t.Context(), &dynamodb.DescribeTimeToLiveInput{TableName: &restored})
	if err != nil || ttl.TimeToLiveDescription.TimeToLiveStatus != "ENABLED" {
		t.Errorf("time to live of the restored table: %+v, %v", ttl, err)
	}
	table, err := s.dynamodb().DescribeTable(t.Context(), &dynamodb.DescribeTableInput{TableName: &restored})
	if err != nil || table.Table.StreamSpecification == nil || table.Table.StreamSpecification.StreamViewType != "NEW_IMAGE" ||
		table.Table.DeletionProtectionEnabled == nil || !*table.Table.DeletionProtectionEnabled {
		t.Errorf("the restored table: %+v, %v", table, err)
	}

	if out, err := s.deploy(t, "RestoredTable=", "Rollout="); err != nil {
		t.Fatalf("back: %v\n%s", err, out)
	}
	if back := c.later(t, a2a.SendMessageConfig{}).ID; !s.has(t, own, back) || s.has(t, restored, back) {
		t.Error("back at the stack's own table, a task is not in it")
	}
	if *full {
		s.rotate(t, c)
	}
}

// rotate replaces the key that signs the card.
func (s *stack) rotate(t *testing.T, c *client) {
	t.Helper()
	s.run(t, `openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out first.pem
		aws secretsmanager create-secret --name card-key-1 --secret-string file://first.pem`)
	if out, err := s.deploy(t, "CardSigningKeySecret=card-key-1"); err != nil {
		t.Fatalf("signing: %v\n%s", err, out)
	}
	first := s.keys(t, c)
	s.run(t, runbook(t, "Rotating the key that signs the card"))
	if last := s.keys(t, c); len(first) != 1 || len(last) != 1 || first[0] == last[0] {
		t.Errorf("the keys were %v and are %v", first, last)
	}
}

// keys returns the published keys' ids.
func (s *stack) keys(t testing.TB, c *client) (ids []string) {
	t.Helper()
	a, err := agent.Read(agent.Through(t.Context(), s.account, http.MethodGet, c.url+".well-known/jwks.json", ""))
	localtest.Must(t, err)
	for _, m := range regexp.MustCompile(`"kid":"([^"]+)"`).FindAllStringSubmatch(a.Body, -1) {
		ids = append(ids, m[1])
	}
	return ids
}

// has reports whether a table has items of a task.
func (s *stack) has(t testing.TB, table string, id a2a.TaskID) bool {
	t.Helper()
	out, err := s.dynamodb().Scan(t.Context(), &dynamodb.ScanInput{TableName: &table})
	localtest.Must(t, err)
	return slices.ContainsFunc(out.Items, func(item map[string]types.AttributeValue) bool {
		key, ok := item["pk"].(*types.AttributeValueMemberS)
		return ok && key.Value == string(id)
	})
}
