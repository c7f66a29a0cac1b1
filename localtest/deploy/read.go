package deploy

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"

	"a2alambda/localtest/process"
)

// Root is the repository's directory.
func Root(tb testing.TB) string {
	tb.Helper()
	return process.Run(tb, exec.Command("go", "list", "-m", "-f", "{{.Dir}}"))
}

// File is the path of template.yaml.
func File(tb testing.TB) string {
	tb.Helper()
	return filepath.Join(Root(tb), "template.yaml")
}

// Read reads template.yaml as it is, not expanded by SAM.
func Read(tb testing.TB) *Template {
	tb.Helper()
	text, err := os.ReadFile(File(tb))
	var root yaml.Node
	if err == nil {
		err = yaml.Unmarshal(text, &root)
	}
	var t Template
	if err == nil {
		var value any
		if value, err = plain(root.Content[0]); err == nil {
			t.source, err = json.Marshal(value)
		}
	}
	if err == nil {
		err = json.Unmarshal(t.source, &t)
	}
	if err != nil {
		tb.Fatalf("template.yaml: %v", err)
	}
	return &t
}

// plain returns a node as in JSON, with the long forms of functions: !Sub x is {"Fn::Sub": x}.
// https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/intrinsic-function-reference.html
func plain(n *yaml.Node) (value any, err error) {
	switch n.Kind {
	case yaml.AliasNode:
		return plain(n.Alias)
	case yaml.SequenceNode:
		list := []any{}
		for _, item := range n.Content {
			of, err := plain(item)
			if err != nil {
				return nil, err
			}
			list = append(list, of)
		}
		value = list
	case yaml.MappingNode:
		object := map[string]any{}
		for i := 0; i < len(n.Content); i += 2 {
			if object[n.Content[i].Value], err = plain(n.Content[i+1]); err != nil {
				return nil, err
			}
		}
		value = object
	default:
		if custom(n) {
			value = n.Value
		} else if err := n.Decode(&value); err != nil {
			return nil, fmt.Errorf("line %d: %w", n.Line, err)
		}
	}
	switch name := strings.TrimPrefix(n.Tag, "!"); {
	case !custom(n):
		return value, nil
	case name == "Ref" || name == "Condition":
		return map[string]any{name: value}, nil
	case name == "GetAtt":
		if text, ok := value.(string); ok {
			resource, attribute, _ := strings.Cut(text, ".")
			value = []any{resource, attribute}
		}
	}
	return map[string]any{"Fn::" + strings.TrimPrefix(n.Tag, "!"): value}, nil
}

func custom(n *yaml.Node) bool {
	return strings.HasPrefix(n.Tag, "!") && !strings.HasPrefix(n.Tag, "!!")
}
