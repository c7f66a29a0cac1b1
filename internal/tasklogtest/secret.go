package tasklogtest

import (
	"bytes"
	"sync"
	"testing"

	"a2alambda/internal/tasklog"
)

// testSecret has many ask for the secret at once: all get the same.
func testSecret(t *testing.T, s tasklog.Store) {
	first, err := s.Secret(t.Context())
	must(t, err)
	if len(first) != tasklog.SecretBytes || bytes.Equal(first, make([]byte, len(first))) {
		t.Fatalf("the secret is %x", first)
	}
	var asking sync.WaitGroup
	for range 8 {
		asking.Go(func() {
			if again, err := s.Secret(t.Context()); err != nil || !bytes.Equal(first, again) {
				t.Errorf("the secret is %x, and then %x, %v", first, again, err)
			}
		})
	}
	asking.Wait()
}
