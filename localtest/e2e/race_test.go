package e2e

import (
	"crypto/rand"
	"fmt"
	"net/http"
	"regexp"
	"strconv"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"

	"a2alambda/localtest/client"
	"a2alambda/localtest/dynamodblocal"
	"a2alambda/localtest/faults"
	"a2alambda/localtest/localserver"
)

// TestTwoProcesses has two processes share a table, whose requests may fail, be lost or be slow.
// Each message goes to both at once: one that begins a task, and one that continues it, in both
// versions of the protocol. Both answer with the same task, which has the message once, though it was
// sent again where the table throttles and a client was told when to.
func TestTwoProcesses(t *testing.T) {
	t.Parallel()
	for name, rates := range map[string]faults.Rates{
		"calm":   {},
		"faults": {Throttle: 0.03, Fail: 0.03, Lose: 0.03, Late: 0.03},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			proxy, store := faults.Start(t, dynamodblocal.Endpoint(t), 1)
			_, table := dynamodblocal.Table(t)
			// With the usual three attempts, one request in a thousand would fail.
			env := []string{"TABLE_NAME=" + table, "AWS_ENDPOINT_URL_DYNAMODB=" + store.URL, "AWS_MAX_ATTEMPTS=10"}
			urls := []string{localserver.Start(t, env...), localserver.Start(t, env...)}
			proxy.Set(rates)
			defer proxy.Set(faults.Rates{})

			var rounds errgroup.Group
			rounds.SetLimit(5)
			for round := range 20 {
				rounds.Go(func() error {
					twiceInBoth(t, urls, []protocol{v03, v1}[round%2], rates.Throttle > 0)
					return nil
				})
			}
			_ = rounds.Wait() // none returns an error
		})
	}
}

var (
	taskOf  = regexp.MustCompile(`"id":"([0-9a-f-]{36})"`)
	ownText = regexp.MustCompile(`"messageId":"(mine-\w+)"`)
)

// send sends a message. If it may be refused because the table throttles, it is sent again when the
// refusal says.
func send(t *testing.T, url, method, params string, refused bool) (answer string, err error) {
	for end := time.Now().Add(client.Patience); ; {
		a, err := client.Call(t.Context(), url, method, params)
		if err != nil || !refused || a.Status != http.StatusServiceUnavailable || time.Now().After(end) {
			return a.Body, err
		}
		after, err := strconv.Atoi(a.Header.Get("Retry-After"))
		if err != nil {
			return a.Body, fmt.Errorf("refused, and not told when to try again: %v", a)
		}
		time.Sleep(time.Duration(after) * time.Second)
	}
}

// twiceInBoth begins a task, and continues it.
func twiceInBoth(t *testing.T, urls []string, p protocol, refused bool) {
	data, id := `{"kind":"data","data":{"n":1}}`, ""
	text := `{"kind":"text","text":"go on"}`
	if p == v1 {
		data, text = `{"data":{"n":1}}`, `{"text":"go on"}`
	}
	role := map[protocol]string{v03: "user", v1: "ROLE_USER"}[p]
	for _, part := range []string{data, text} {
		task := ""
		if id != "" {
			task = fmt.Sprintf(`"taskId":%q,`, id)
		}
		own := "mine-" + rand.Text()
		params := fmt.Sprintf(`{"message":{"messageId":%q,"role":%q,%s"parts":[%s]}}`, own, role, task, part)
		answers := make([]string, len(urls))
		var sending errgroup.Group
		for i, url := range urls {
			sending.Go(func() error {
				var err error
				answers[i], err = send(t, url, p.send, params, refused)
				return err
			})
		}
		if err := sending.Wait(); err != nil {
			t.Error(err)
		}
		for _, answer := range answers {
			got := taskOf.FindStringSubmatch(answer)
			if got == nil || id != "" && got[1] != id {
				t.Errorf("%s in task %q: one answers\n%s\nthe other\n%s", part, id, answers[0], answers[1])
				return
			}
			id = got[1]
			n := 0
			for _, m := range ownText.FindAllStringSubmatch(answer, -1) {
				if m[1] == own {
					n++
				}
			}
			if n != 1 {
				t.Errorf("the message is in the task %d times: %s", n, answer)
			}
		}
	}
}
