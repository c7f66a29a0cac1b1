package agentfile

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"
)

// reader reads a file, and gathers what is wrong with it.
type reader struct {
	*File
	lambda bool                // commands can't be run
	secret func(string) string // what ${NAME} stands for
	errs   []mistake
}

// mistake is something that is wrong.
type mistake struct {
	line int
	text string
}

// wrong notes an error. Its text begins with what it is about.
func (r *reader) wrong(line int, format string, args ...any) {
	r.errs = append(r.errs, mistake{line, fmt.Sprintf(format, args...)})
}

var syntax = regexp.MustCompile(`^yaml: (?:line (\d+): )?(.*)`)

// parse returns the file's one document, an object, or nil.
func (r *reader) parse(data []byte) *yaml.Node {
	if i := invalid(data); i >= 0 {
		r.wrong(1+bytes.Count(data[:i], []byte("\n")), "the file is not UTF-8")
		return nil
	}
	d := yaml.NewDecoder(bytes.NewReader(data))
	var doc, more yaml.Node
	err := d.Decode(&doc)
	if errors.Is(err, io.EOF) {
		r.wrong(1, "the file is empty")
		return nil
	}
	if err == nil {
		if err = d.Decode(&more); err == nil {
			r.wrong(max(more.Line, 1), "a second document begins: there can be only one")
			return nil
		} else if errors.Is(err, io.EOF) {
			err = nil
		}
	}
	if err != nil {
		r.syntax(data, err)
		return nil
	}
	root := doc.Content[0]
	if root.Kind != yaml.MappingNode {
		r.wrong(root.Line, "the file must have keys and values, such as model:")
		return nil
	}
	return root
}

// syntax notes an error of the parser.
func (r *reader) syntax(data []byte, err error) {
	line, text := 1, err.Error()
	if m := syntax.FindStringSubmatch(text); m != nil {
		text = m[2]
		if m[1] != "" {
			line, _ = strconv.Atoi(m[1])
		}
	}
	// The parser's line is that of the token before, at times. A tab is the likeliest cause.
	lines := strings.Split(string(data), "\n")
	for i := max(line-2, 0); i < min(line+2, len(lines)); i++ {
		if indent := lines[i][:len(lines[i])-len(strings.TrimLeft(lines[i], " \t"))]; strings.Contains(indent, "\t") {
			r.wrong(i+1, "a tab is at the beginning of the line: YAML takes spaces only")
			return
		}
	}
	r.wrong(line, "%s", text)
}

func invalid(data []byte) int {
	for i, c := range string(data) {
		if c == '\uFFFD' && !bytes.HasPrefix(data[i:], []byte("\uFFFD")) {
			return i
		}
	}
	return -1
}

// object reads an object, by a function for each key that it may have. Key is where it stands, such
// as "model.".
func (r *reader) object(n *yaml.Node, key string, fields map[string]func(n *yaml.Node, key string)) {
	if n.Kind != yaml.MappingNode {
		r.wrong(n.Line, "%s must have keys and values: %s", strings.TrimSuffix(key, "."), r.kind(n))
		return
	}
	first := map[string]int{}
	for i := 0; i+1 < len(n.Content); i += 2 {
		k, v := n.Content[i], n.Content[i+1]
		read, known := fields[k.Value]
		switch {
		case k.Kind != yaml.ScalarNode || !known:
			names := make([]string, 0, len(fields))
			for name := range fields {
				names = append(names, name)
			}
			slices.Sort(names)
			what := key + k.Value
			if k.Kind != yaml.ScalarNode {
				what = "a key that is no text"
			}
			r.wrong(k.Line, "%s is not known: there are %s", what, strings.Join(names, ", "))
		case first[k.Value] > 0:
			r.wrong(k.Line, "%s is there twice, first in line %d", key+k.Value, first[k.Value])
		case v.Kind == yaml.AliasNode || v.Anchor != "":
			r.wrong(v.Line, "%s has an anchor or an alias, which this file cannot have", key+k.Value)
		case v.Kind == yaml.ScalarNode && v.Tag == "!!null":
			r.wrong(k.Line, "%s is empty", key+k.Value)
		default:
			read(v, key+k.Value)
		}
		if first[k.Value] == 0 {
			first[k.Value] = k.Line
		}
	}
}

// need notes which of the keys an object lacks. It reports whether there are all.
func (r *reader) need(n *yaml.Node, key string, names ...string) bool {
	if n.Kind != yaml.MappingNode {
		return false
	}
	ok := true
	for _, name := range names {
		has := false
		for i := 0; i+1 < len(n.Content); i += 2 {
			has = has || n.Content[i].Value == name
		}
		if !has {
			r.wrong(n.Line, "%s%s is missing", key, name)
			ok = false
		}
	}
	return ok
}

// list reads a list, whose items have numbers from 1 in errors.
func (r *reader) list(n *yaml.Node, key string, item func(n *yaml.Node, key string)) {
	if n.Kind != yaml.SequenceNode {
		r.wrong(n.Line, "%s must be a list: %s", key, r.kind(n))
		return
	}
	for i, v := range n.Content {
		at := fmt.Sprintf("%s[%d]", key, i+1)
		switch {
		case v.Kind == yaml.AliasNode || v.Anchor != "":
			r.wrong(v.Line, "%s has an anchor or an alias, which this file cannot have", at)
		case v.Kind == yaml.ScalarNode && v.Tag == "!!null":
			r.wrong(v.Line, "%s is empty", at)
		default:
			item(v, at)
		}
	}
}

// text returns a text, or "" for what is none.
func (r *reader) text(n *yaml.Node, key string) string {
	switch {
	case n.Kind != yaml.ScalarNode:
		r.wrong(n.Line, "%s must be a text: %s", key, r.kind(n))
	case n.Tag != "!!str":
		r.wrong(n.Line, "%s must be a text: write it in quotes", key)
	case strings.TrimSpace(n.Value) == "":
		r.wrong(n.Line, "%s is empty", key)
	default:
		return n.Value
	}
	return ""
}

// texts returns a list of texts.
func (r *reader) texts(n *yaml.Node, key string) (all []string) {
	r.list(n, key, func(n *yaml.Node, key string) {
		if s := r.text(n, key); s != "" {
			all = append(all, s)
		}
	})
	return all
}

// number returns a number from 1 up to most, or 0 for what is none.
func (r *reader) number(n *yaml.Node, key string, most int64) int64 {
	v, err := strconv.ParseInt(n.Value, 10, 64)
	if n.Kind != yaml.ScalarNode || n.Tag != "!!int" || err != nil || v < 1 || v > most {
		r.wrong(n.Line, "%s must be a number from 1 to %d", key, most)
		return 0
	}
	return v
}

// price returns a number that is not negative, as it is written.
func (r *reader) price(n *yaml.Node, key string) string {
	v, err := strconv.ParseFloat(n.Value, 64)
	if n.Kind != yaml.ScalarNode || n.Tag != "!!int" && n.Tag != "!!float" || err != nil || !(v >= 0 && v < 1e8) {
		r.wrong(n.Line, "%s must be a number, 0 or more", key)
		return "0"
	}
	return strconv.FormatFloat(v, 'f', -1, 64)
}

// flag returns true or false, in each of YAML's spellings.
func (r *reader) flag(n *yaml.Node, key string) bool {
	is := strings.EqualFold(n.Value, "true")
	if n.Kind != yaml.ScalarNode || n.Tag != "!!bool" || !is && !strings.EqualFold(n.Value, "false") {
		r.wrong(n.Line, "%s must be true or false", key)
	}
	return is
}

// duration returns a time from a second up to most, or 0 for what is none.
func (r *reader) duration(n *yaml.Node, key string, most time.Duration) time.Duration {
	d, err := time.ParseDuration(n.Value)
	if n.Kind != yaml.ScalarNode || err != nil || d < time.Second || d > most {
		r.wrong(n.Line, "%s must be a time from 1s to %s, such as 30s", key, strings.TrimSuffix(most.String(), "0s"))
		return 0
	}
	return d
}

func (r *reader) kind(n *yaml.Node) string {
	switch n.Kind {
	case yaml.MappingNode:
		return "it has keys"
	case yaml.SequenceNode:
		return "it is a list"
	}
	return "it is a single value"
}

var reference = regexp.MustCompile(`\$\{([^}]*)\}?`)
var variable = regexp.MustCompile(`^\$\{[A-Za-z_][A-Za-z0-9_]*\}$`)

// expand returns a text with what its references stand for, and those values.
func (r *reader) expand(n *yaml.Node, key string) (text string, secrets []string) {
	text = reference.ReplaceAllStringFunc(r.text(n, key), func(ref string) string {
		if !variable.MatchString(ref) {
			r.wrong(n.Line, "%s has a reference that is not ${NAME}", key)
			return ""
		}
		name := ref[2 : len(ref)-1]
		v := r.secret(name)
		if v == "" {
			r.wrong(n.Line, "%s has ${%s}, which neither the environment nor AGENT_SECRETS has", key, name)
		}
		secrets = append(secrets, v)
		return v
	})
	return text, secrets
}
