package localserver

import (
	"crypto/rand"
	"encoding/json"
	"fmt"
	"os/exec"
	"regexp"
	"strings"
	"testing"

	"a2alambda/internal/purchase/shop"
)

// TestPurchase buys something as a user does, with curl: of `AGENT=purchase go run ./functions/agent`
// with its shop and its writer.
func TestPurchase(t *testing.T) {
	t.Parallel()
	p, url := StartProcess(t, "AGENT=purchase")
	defer p.Kill()
	books := regexp.MustCompile(`http://127\.0\.0\.1:\d+/books`).FindString(p.Output.String())
	if books == "" {
		t.Fatalf("it does not say where the shop is:\n%s", p.Output.String())
	}
	task := regexp.MustCompile(`"id":"([0-9a-f-]{36})"`)
	seq := regexp.MustCompile(`(?m)^id: (\d+)$`)
	for _, test := range []struct{ item, answer, says, books string }{
		{"a teapot", "no", `"state":"TASK_STATE_REJECTED"`, ""},
		{"a unicorn", "", "The shop names no price for that.", ""},
		{"a teapot", "yes", "Receipt: a teapot, 11.50 EUR, charge C-1, delivered.", "charge 1, shipment 1, delivery 1"},
	} {
		text := curl(t, url, test.item, "")
		if test.answer != "" {
			if !strings.Contains(text, `"state":"TASK_STATE_INPUT_REQUIRED"`) || !strings.Contains(text, test.item+" costs 11.50 EUR. Shall I buy it?") {
				t.Fatalf("it does not ask:\n%s", text)
			}
			text += curl(t, url, test.answer, task.FindStringSubmatch(text)[1])
		}
		if !strings.Contains(text, test.says) {
			t.Errorf("it does not say %q:\n%s", test.says, text)
		}
		for i, m := range seq.FindAllStringSubmatch(text, -1) {
			if m[1] != fmt.Sprint(i+1) {
				t.Errorf("event %d has the id %s:\n%s", i+1, m[1], text)
			}
		}
		var lines []shop.Line
		if err := json.Unmarshal([]byte(run(t, "-sS", books)), &lines); err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, l := range lines {
			got = append(got, fmt.Sprintf("%s %d", l.What, l.Requests))
		}
		if strings.Join(got, ", ") != test.books {
			t.Errorf("the shop's books have %q, want %q", got, test.books)
		}
	}
}

// curl sends a message, and returns the stream.
func curl(t *testing.T, url, text, task string) string {
	t.Helper()
	if task != "" {
		task = fmt.Sprintf(`"taskId":%q,`, task)
	}
	body := fmt.Sprintf(`{"message":{"role":"ROLE_USER","messageId":%q,%s"parts":[{"text":%q}]}}`, rand.Text(), task, text)
	return run(t, "-sSN", url+"/message:stream", "-H", "A2A-Version: 1.0", "-H", "Content-Type: application/json", "-d", body)
}

func run(t *testing.T, args ...string) string {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), "curl", args...).CombinedOutput()
	if err != nil {
		t.Fatalf("curl %q: %v\n%s", args, err, out)
	}
	return string(out)
}
