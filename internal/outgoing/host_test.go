package outgoing

import (
	"net/url"
	"testing"
)

func TestSameHost(t *testing.T) {
	for _, test := range []struct {
		a, b string
		same bool
	}{
		{"https://a.example/x", "HTTPS://A.example:443/y?z", true},
		{"http://a.example", "http://a.example:80/", true},
		{"http://[::1]:80", "http://[::1]/", true},
		{"http://a.example", "https://a.example", false},
		{"https://a.example:80", "http://a.example", false},
		{"https://a.example", "https://a.example:8443", false},
		{"https://a.example", "https://b.a.example", false},
		{"https://a.example", "https://a.example.", false},
	} {
		a, errA := url.Parse(test.a)
		b, errB := url.Parse(test.b)
		if errA != nil || errB != nil {
			t.Fatal(errA, errB)
		}
		if SameHost(a, b) != test.same || SameHost(b, a) != test.same {
			t.Errorf("%s and %s: the same is %t", a, b, !test.same)
		}
	}
}
