package e2e

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"testing"
	"time"

	"a2alambda/internal/purchase/shop"
	"a2alambda/internal/purchase/street"
	"a2alambda/localtest"
	"a2alambda/localtest/client"
)

// TestPurchase buys something from the deployed functions: the shop posts to the callback function,
// and a worker has the receipt written. Another purchase is canceled while it is on its way: the
// money comes back.
func TestPurchase(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		delivers    time.Duration
		concurrency int
		books       string
		state       string
	}{
		"bought":                    {time.Second, 0, "charge 1, shipment 1, delivery 1", "TASK_STATE_COMPLETED"},
		"bought, in one instance":   {time.Second, manyAtOnce, "charge 1, shipment 1, delivery 1", "TASK_STATE_COMPLETED"},
		"canceled":                  {-1, 0, "charge 1, shipment 1, refund 1", "TASK_STATE_CANCELED"},
		"canceled, in one instance": {-1, manyAtOnce, "charge 1, shipment 1, refund 1", "TASK_STATE_CANCELED"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			beside, err := street.Open(shop.Config{Fails: 2, Delivers: c.delivers}, time.Millisecond, slog.New(slog.DiscardHandler))
			localtest.Must(t, err)
			t.Cleanup(beside.Close)
			s := newSystem(t, options{concurrency: c.concurrency, callbacks: true, agent: []string{"AGENT=purchase", "SHOP_URL=" + beside.ShopURL, "PEERS=" + beside.Peers}})
			call := func(verb, path, body string) string {
				t.Helper()
				a, err := client.Read(client.Through(t.Context(), http.DefaultTransport, verb, s.url+path, body, "A2A-Version", "1.0"))
				localtest.Must(t, err)
				if a.Status != http.StatusOK {
					t.Fatalf("%s %s: %d %s", verb, path, a.Status, a.Body)
				}
				return a.Body
			}
			send := func(id, text, task string) (got struct{ Task struct{ ID string } }) {
				t.Helper()
				body := fmt.Sprintf(`{"message":{"messageId":%q,"taskId":%q,"role":"ROLE_USER","parts":[{"text":%q}]}}`, id, task, text)
				localtest.Must(t, json.Unmarshal([]byte(call("POST", "/message:send", body)), &got))
				return got
			}
			task := send("m-1", "a teapot", "").Task.ID
			send("m-2", "yes", task)
			if c.delivers < 0 {
				call("POST", "/tasks/"+task+":cancel", "")
			}
			client.Await(t, 100*time.Millisecond, func() string {
				if got := call("GET", "/tasks/"+task, ""); !strings.Contains(got, c.state) {
					return got
				}
				return ""
			})
			var got []string
			for _, l := range beside.Shop.Books() {
				got = append(got, fmt.Sprintf("%s %d", l.What, l.Requests))
			}
			if strings.Join(got, ", ") != c.books {
				t.Errorf("the shop's books have %q, want %q", got, c.books)
			}
			if task := call("GET", "/tasks/"+task, ""); c.delivers > 0 && !strings.Contains(task, "Receipt: a teapot, 11.50 EUR, charge C-1, delivered.") {
				t.Errorf("the task is %s", task)
			}
		})
	}
}
