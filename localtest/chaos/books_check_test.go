package chaos

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/a2aproject/a2a-go/v2/a2a"

	"a2alambda/internal/durable"
	"a2alambda/internal/purchase/shop"
)

// TestCheckBooks has the judge of purchases notice what may not be.
func TestCheckBooks(t *testing.T) {
	done := func(names ...string) map[string]durable.Entry {
		steps := map[string]durable.Entry{}
		for _, n := range names {
			steps[n] = durable.Entry{Name: n, Kind: durable.Done}
		}
		return steps
	}
	charge, again := shop.Line{What: "charge", Key: "k", Requests: 1}, shop.Line{What: "charge", Key: "l", Requests: 1}
	twice := shop.Line{What: "charge", Key: "k", Requests: 2}
	shipment, delivery := shop.Line{What: "shipment", Requests: 2}, shop.Line{What: "delivery", Requests: 1}
	refund := shop.Line{What: "refund", Key: "k", Requests: 2}
	for name, c := range map[string]struct {
		state a2a.TaskState
		steps map[string]durable.Entry
		lines []shop.Line
		want  string // "" for nothing
	}{
		"bought":                {a2a.TaskStateCompleted, done("charge", "ship", "delivered/wait"), []shop.Line{charge, shipment, delivery}, ""},
		"canceled":              {a2a.TaskStateCanceled, done("charge", "refund"), []shop.Line{charge, refund}, ""},
		"canceled at the end":   {a2a.TaskStateCanceled, done("charge", "ship", "delivered/wait"), []shop.Line{charge, shipment, delivery}, ""},
		"rejected":              {a2a.TaskStateRejected, done("quote"), nil, ""},
		"charged again":         {a2a.TaskStateCompleted, done("charge"), []shop.Line{charge, again, shipment}, "a second charge"},
		"asked for again":       {a2a.TaskStateCompleted, done("charge"), []shop.Line{twice, shipment}, "asked for 2 times"},
		"recorded, and not so":  {a2a.TaskStateFailed, done("charge"), nil, `"charge" is done`},
		"completed for nothing": {a2a.TaskStateCompleted, done("quote"), []shop.Line{shipment}, "it is completed"},
		"rejected, and charged": {a2a.TaskStateRejected, done("quote"), []shop.Line{charge, refund}, "it was rejected"},
		"not paid back":         {a2a.TaskStateCanceled, done("charge", "ship"), []shop.Line{charge, shipment}, "was not paid back"},
		"given up":              {a2a.TaskStateFailed, done("charge"), []shop.Line{charge, shipment}, ""},
		"given up, and doubled": {a2a.TaskStateFailed, done("charge"), []shop.Line{charge, again}, "a second charge"},
	} {
		err := checkBooks(c.state, strings.HasPrefix(name, "given up"), c.steps, c.lines)
		if c.want == "" && err != nil || c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
			t.Errorf("%s: %v, want %q", name, err, c.want)
		}
	}
	reply, _ := json.Marshal(durable.Reply{Task: &a2a.Task{Artifacts: []*a2a.Artifact{{ID: "receipt", Parts: a2a.ContentParts{a2a.NewTextPart("paid")}}}}})
	steps := map[string]durable.Entry{"write the receipt": {Kind: durable.Done, Result: reply}}
	task := &a2a.Task{Artifacts: []*a2a.Artifact{{ID: "receipt", Parts: a2a.ContentParts{a2a.NewTextPart("pa"), a2a.NewTextPart("id")}}}}
	if err := checkSaid(task, steps); err != nil {
		t.Error(err)
	}
	task.Artifacts[0].Parts = task.Artifacts[0].Parts[:1]
	if err := checkSaid(task, steps); err == nil {
		t.Error("half a receipt is not noticed")
	}
}
