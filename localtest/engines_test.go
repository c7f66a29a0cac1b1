package localtest_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"a2alambda/internal/dynamolog"
	"a2alambda/localtest"
)

func TestDynamoDB(t *testing.T) {
	client := localtest.DynamoClient(t, localtest.DynamoDB(t))
	table := aws.String(t.Name())
	if err := dynamolog.CreateTable(t.Context(), client, *table); err != nil {
		t.Fatal(err)
	}
	item := map[string]types.AttributeValue{
		"pk":   &types.AttributeValueMemberS{Value: "a"},
		"sk":   &types.AttributeValueMemberS{Value: "b"},
		"text": &types.AttributeValueMemberS{Value: "🌊"},
	}
	if _, err := client.PutItem(t.Context(), &dynamodb.PutItemInput{TableName: table, Item: item}); err != nil {
		t.Fatal(err)
	}
	got, err := client.GetItem(t.Context(), &dynamodb.GetItemInput{
		TableName: table,
		Key:       map[string]types.AttributeValue{"pk": item["pk"], "sk": item["sk"]},
	})
	if err != nil {
		t.Fatal(err)
	}
	if text, _ := got.Item["text"].(*types.AttributeValueMemberS); text == nil || text.Value != "🌊" {
		t.Errorf("read %v, want what was put", got.Item)
	}
}

// TestInstallMissing has only the tools that any Linux has in the PATH: no Java, and no apt-get to get one.
func TestInstallMissing(t *testing.T) {
	bin := t.TempDir()
	for _, tool := range []string{"bash", "flock", "id", "mkdir"} {
		path, err := exec.LookPath(tool)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.Symlink(path, filepath.Join(bin, tool)); err != nil {
			t.Fatal(err)
		}
	}
	t.Setenv("PATH", bin)
	t.Setenv("XDG_CACHE_HOME", t.TempDir())
	_, err := localtest.Install(t.Context(), "dynamodb")
	const want = "localtest/setup.sh: Java 17 is missing: install it (Debian: apt-get install default-jre-headless) and run localtest/setup.sh again."
	if err == nil || err.Error() != want {
		t.Errorf("got error %v, want %s", err, want)
	}
}
