package peer_test

import (
	"strings"
	"testing"

	"a2alambda/internal/peer"
)

func TestParse(t *testing.T) {
	for _, test := range []struct{ list, credentials, allowed, want string }{
		{"", "", "", ""},
		{"writer=https://writer.example/", `{"writer":"Bearer abc"}`, "", ""},
		{"writer=https://writer.example/a2a;deduplicates;adopt,shop=http://127.0.0.1:9/, b-2=http://localhost:1", `{"shop":"X-API-Key: abc"}`, "", ""},
		{"a=http://intern.example/", "", "10.0.0.0/8", ""},
		{"a=http://intern.example/", "", "", "PEERS: of a: url must be https"},
		{"a=http://intern.example/", "", "10", `PEERS_ALLOWED_CIDRS: "10" is no prefix such as 10.0.0.0/8`},
		{"https://writer.example/", "", "", `PEERS: "https://writer.example/" is not name=url, with letters, digits, - and _ in the name`},
		{"a/b=https://writer.example/", "", "", `PEERS: "a/b=https://writer.example/" is not name=url, with letters, digits, - and _ in the name`},
		{"=https://writer.example/", "", "", `PEERS: "=https://writer.example/" is not name=url, with letters, digits, - and _ in the name`},
		{"a=", "", "", "PEERS: of a: url must be https"},
		{"a=https://u:p@b/", "", "", "PEERS: of a: url must not contain a user: use authentication"},
		{"a=https://b/?x=1", "", "", "PEERS: of a: url must not have a query"},
		{"a=https://b/;once", "", "", `PEERS: a has "once", which is none of deduplicates and adopt`},
		{"a=https://b/,a=https://c/", "", "", "PEERS has a twice"},
		{"a=https://b/", `Bearer secret`, "", `PEER_CREDENTIALS is not a JSON object of strings, such as {"writer":"Bearer …"}`},
		{"a=https://b/", `{"b":"secret"}`, "", `PEER_CREDENTIALS has "b", which PEERS has not`},
		{"a=https://b/", `{"a":"secret\nX: y"}`, "", "PEER_CREDENTIALS: of a: it is empty, or has characters that no header may have"},
		{"a=https://b/", `{"a":""}`, "", "PEER_CREDENTIALS: of a: it is empty, or has characters that no header may have"},
	} {
		got := ""
		set, err := peer.Parse(test.list, test.credentials, test.allowed)
		if err != nil {
			got = err.Error()
		}
		if got != test.want {
			t.Errorf("%q, %q: got %q, want %q", test.list, test.credentials, got, test.want)
		}
		if err == nil && len(set) != strings.Count(test.list, "://") {
			t.Errorf("%q: got %v", test.list, set.Names())
		}
	}
	set, err := peer.Parse("a=https://b/;adopt,c=https://d/;deduplicates", "", "")
	if err != nil || !set["a"].Adopt || set["a"].Deduplicates || set["c"].Adopt || !set["c"].Deduplicates {
		t.Errorf("got %+v, %v", set, err)
	}
}
