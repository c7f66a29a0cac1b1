package localserver

import (
	"crypto/rand"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/a2aproject/a2a-go/v2/a2a"

	"a2alambda/internal/check"
	"a2alambda/internal/dynamolog"
	"a2alambda/localtest"
	"a2alambda/localtest/client"
	"a2alambda/localtest/dynamodblocal"
	"a2alambda/localtest/ministack"
)

// TestLocalBucket runs a local server whose large bodies go to a bucket. Without a right to it, the
// server does not start, and says why.
func TestLocalBucket(t *testing.T) {
	bodies := ministack.Bucket(t)
	as, err := bodies.Credentials.Retrieve(t.Context())
	localtest.Must(t, err)
	c, table := dynamodblocal.Table(t)
	env := []string{
		"TABLE_NAME=" + table, "AWS_ENDPOINT_URL_DYNAMODB=" + dynamodblocal.Endpoint(t), "AWS_REGION=" + ministack.Region,
		"BUCKET_NAME=" + bodies.Name, "AWS_ENDPOINT_URL_S3=" + bodies.Endpoint, "AWS_ACCESS_KEY_ID=" + as.AccessKeyID,
	}
	url := Start(t, append(env, "AWS_SECRET_ACCESS_KEY="+as.SecretAccessKey)...)
	var out strings.Builder
	if err := check.Run(t.Context(), check.Config{URL: url, Need: []string{"large"}}, &out); err != nil {
		t.Errorf("%v\n%s", err, &out)
	}
	noise := make([]byte, 100<<10)
	_, _ = rand.Read(noise)
	message := fmt.Sprintf(`{"message":{"messageId":"m","role":"ROLE_USER","parts":[{"text":"hi"}],"metadata":{"x":"%x"}}}`, noise)
	answer := client.Result(t, url, "SendMessage", message)
	id := a2a.TaskID(client.TaskIn(t, answer))
	if _, err := dynamolog.New(c, table).Load(t.Context(), id); err == nil || !strings.Contains(err.Error(), bodies.Name) {
		t.Errorf("the message is not in the bucket: %v", err)
	}
	if _, err := dynamolog.NewWith(c, table, dynamolog.Large{Bucket: bodies}).Load(t.Context(), id); err != nil {
		t.Error(err)
	}

	cmd := exec.Command("go", "run", "a2alambda/functions/agent")
	cmd.Env = append(append(os.Environ(), env...), "AWS_SECRET_ACCESS_KEY=wrong", "PORT=0")
	text, err := cmd.CombinedOutput()
	if want := `BUCKET_NAME is "` + bodies.Name + `", which cannot be used: `; err == nil || !strings.Contains(string(text), want) {
		t.Errorf("%v: %s, want %s", err, text, want)
	}
}
