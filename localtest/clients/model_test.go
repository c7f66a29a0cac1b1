package clients

import (
	"strings"
	"testing"

	"a2alambda/localtest/aimock"
	"a2alambda/localtest/localserver"
)

// said is what the model says to Hello, which comes in pieces.
const said = "Hello! How can I help you today?"

// TestModel has the frameworks ask an agent with a model. Each shows the whole answer as one text,
// also those that take only the last chunk of an artifact, or join its parts by something. A message
// with data beside its text, such as the history that AG2 sends from its second turn on, is answered.
func TestModel(t *testing.T) {
	t.Parallel()
	mock := aimock.Start(t, `{"fixtures": [
		{"match": {"userMessage": "Hello"}, "response": {"content": "`+said+`"}},
		{"match": {"userMessage": "Stream"}, "response": {"content": "Streamed."}},
		{"match": {"userMessage": "This"}, "response": {"content": "That."}},
		{"match": {"userMessage": "More"}, "response": {"content": "And more."}}
	]}`)
	url, token := localserver.StartOIDC(t, "AGENT=model", "MODEL_URL="+mock.URL+"/v1", "MODEL_ID=m")
	clients := light[3:]
	if *heavy {
		clients = append(clients, heavies...)
	}
	for _, c := range clients {
		t.Run(c.part, func(t *testing.T) {
			t.Parallel()
			want := []string{said}
			switch c.part {
			case "jsadk":
				want = []string{"Streamed."} // it only streams
			case "ag2":
				want = append(want, "And more.") // the second turn
			}
			got := output(t, c, url, token(c.part))
			for _, w := range want {
				if !strings.Contains(got, w) {
					t.Errorf("got\n%s\nwithout %q", got, w)
				}
			}
		})
	}
}
