package deploy_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"a2alambda/internal/dynamolog"
	"a2alambda/localtest"
	"a2alambda/localtest/deploy"
)

// TestBodiesBucket checks the bucket of large bodies: who may not use it, and that its rules are
// those of dynamolog's keys, which no parameter changes. Without LargeBodies there is none.
func TestBodiesBucket(t *testing.T) {
	template := expanded(t)
	for _, to := range []string{"table", "bucket", "bucket-read"} {
		s := stackOf(t, template, deploy.Parameters{"Auth": "none", "LargeBodies": to, "RetentionDays": "8"})
		b, policy := s.Resources["BodiesBucket"], s.Resources["BodiesBucketPolicy"]
		if to == "table" {
			if b != nil || policy != nil {
				t.Error("there is a bucket without LargeBodies")
			}
			continue
		}
		var of struct {
			PublicAccessBlockConfiguration map[string]bool
			OwnershipControls              struct{ Rules []map[string]string }
			BucketEncryption               any
			VersioningConfiguration        any
			LifecycleConfiguration         struct {
				Rules []struct {
					Prefix, Status   string
					ExpirationInDays int
				}
			}
		}
		text, err := json.Marshal(b.Properties)
		localtest.Must(t, err, json.Unmarshal(text, &of))
		if blocked := slices.Collect(maps.Values(of.PublicAccessBlockConfiguration)); len(blocked) != 4 || slices.Contains(blocked, false) {
			t.Errorf("%s: public access is %v", to, of.PublicAccessBlockConfiguration)
		}
		if r := of.OwnershipControls.Rules; len(r) != 1 || r[0]["ObjectOwnership"] != "BucketOwnerEnforced" || of.BucketEncryption == nil || of.VersioningConfiguration != nil {
			t.Errorf("%s: %s", to, text)
		}
		var days []int
		for _, r := range of.LifecycleConfiguration.Rules {
			if r.Status != "Enabled" || r.Prefix != fmt.Sprintf("%d/", r.ExpirationInDays-1) {
				t.Errorf("%s: rule %+v", to, r)
			}
			days = append(days, r.ExpirationInDays-1)
		}
		if !slices.Equal(days, dynamolog.Lifetimes) {
			t.Errorf("%s: objects live %v days, want %v", to, days, dynamolog.Lifetimes)
		}
		text, err = json.Marshal(policy.Properties["PolicyDocument"])
		localtest.Must(t, err)
		if !strings.Contains(string(text), `"Condition":{"Bool":{"aws:SecureTransport":"false"}},"Effect":"Deny"`) {
			t.Errorf("%s: %s", to, text)
		}
	}
	// No task lives longer than its objects, and those at most half as long again, but for a day.
	for i, days := range dynamolog.Lifetimes[:len(dynamolog.Lifetimes)-1] {
		if before := max(1, append([]int{0}, dynamolog.Lifetimes...)[i]+1); days > before && days > before*3/2 {
			t.Errorf("what may be read for %d days is kept for %d", before, days)
		}
	}
}

// TestBodiesReadable checks that at each change of LargeBodies whoever reads bodies may read the
// bucket before the first one is put there, and for as long as there is a bucket.
func TestBodiesReadable(t *testing.T) {
	template := expanded(t)
	stack := func(to string) *deploy.Stack {
		return stackOf(t, template, deploy.Parameters{"Auth": "none", "LargeBodies": to, "Callbacks": "5"})
	}
	for _, change := range [][2]string{{"table", "bucket"}, {"table", "bucket-read"}, {"bucket-read", "bucket"}, {"bucket", "bucket-read"}, {"bucket-read", "table"}} {
		from, to := stack(change[0]), stack(change[1])
		for _, wrong := range deploy.Unordered(from, to) {
			t.Errorf("%v: %s", change, wrong)
		}
		changes := map[string]deploy.Change{}
		for _, c := range deploy.Compare(from, to) {
			changes[c.Name] = c
		}
		for _, writer := range []string{"AgentFunction", "WorkerFunction"} {
			for _, reader := range []string{"AgentPolicy", "WorkerPolicy", "PushPolicy", "SweeperPolicy"} {
				if c := changes[reader]; change[1] == "bucket" && c.When(to, writer) != deploy.Before {
					t.Errorf("%v: %s changes %s %s", change, reader, c.When(to, writer), writer)
				}
			}
		}
		for _, name := range []string{"BodiesBucket", "BodiesBucketPolicy"} {
			if c := changes[name]; c.Kind == deploy.Removed && change[1] != "table" || c.Kind == deploy.Replaced {
				t.Errorf("%v: %s", change, c)
			}
			if r := template.Resources[name]; r.DeletionPolicy != "RetainExceptOnCreate" {
				t.Errorf("%s is deleted with the stack", name)
			}
		}
	}
}
