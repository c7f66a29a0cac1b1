package deploy

import (
	"cmp"
	"encoding/json"
	"fmt"
	"reflect"
	"slices"
	"strings"
)

// Kind is what CloudFormation does to a resource.
type Kind string

const (
	Added    Kind = "added"
	Removed  Kind = "removed" // at the end, after all other changes
	Updated  Kind = "updated"
	Replaced Kind = "replaced" // by a new one; the old one is removed at the end
)

// Order is when CloudFormation changes a resource, compared with another one.
type Order string

const (
	Before Order = "before"
	After  Order = "after"
	Beside Order = "beside" // in any order
	AtEnd  Order = "at the end"
)

// Change is a change of a resource.
type Change struct {
	Name, Type string
	Kind       Kind
	Properties []string // those that differ, if it is updated or replaced
	Old, New   *Resource
}

// Compare returns what CloudFormation changes, by name, when a stack becomes another one. It
// replaces a resource if a property differs that cannot be updated. References to it then differ,
// too.
// https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/using-cfn-updating-stacks-update-behaviors.html
func Compare(from, to *Stack) []Change {
	var changes []Change
	for replaced := map[string]bool{}; ; {
		changes = nil
		known := len(replaced)
		for name, r := range to.Resources {
			old, ok := from.Resources[name]
			if !ok {
				changes = append(changes, Change{Name: name, Type: r.Type, Kind: Added, New: r})
				continue
			}
			differ := differences(old, r, replaced)
			if len(differ) == 0 {
				continue
			}
			c := Change{Name: name, Type: r.Type, Kind: Updated, Properties: differ, Old: old, New: r}
			if slices.ContainsFunc(to.createOnly[r.Type], func(path string) bool { return differAt(old, r, path, replaced) }) {
				c.Kind, replaced[name] = Replaced, true
			}
			changes = append(changes, c)
		}
		if len(replaced) == known {
			break
		}
	}
	for name, r := range from.Resources {
		if to.Resources[name] == nil {
			changes = append(changes, Change{Name: name, Type: r.Type, Kind: Removed, Old: r})
		}
	}
	slices.SortFunc(changes, func(a, b Change) int { return cmp.Compare(a.Name, b.Name) })
	return changes
}

// differences returns the properties that differ, also by a reference to a replaced resource.
func differences(old, new *Resource, replaced map[string]bool) []string {
	var differ []string
	for name := range union(old.Properties, new.Properties) {
		if differAt(old, new, name, replaced) {
			differ = append(differ, name)
		}
	}
	slices.Sort(differ)
	return differ
}

// differAt compares two resources at a path of names, with slashes.
func differAt(old, new *Resource, path string, replaced map[string]bool) bool {
	a, b := at(old.Properties, path), at(new.Properties, path)
	if !reflect.DeepEqual(a, b) {
		return true
	}
	refers := false
	walk(b, func(text string) {
		for _, m := range reference.FindAllStringSubmatch(text, -1) {
			refers = refers || replaced[m[1]]
		}
	})
	return refers
}

func at(value any, path string) any {
	for name := range strings.SplitSeq(path, "/") {
		object, _ := value.(map[string]any)
		value = object[name]
	}
	return value
}

func union(a, b map[string]any) map[string]bool {
	names := map[string]bool{}
	for name := range a {
		names[name] = true
	}
	for name := range b {
		names[name] = true
	}
	return names
}

// Order says when a stack's resource changes, compared with another one of the stack.
func (s *Stack) Order(name, than string) Order {
	switch {
	case s.waits(than, name, map[string]bool{}):
		return Before
	case s.waits(name, than, map[string]bool{}):
		return After
	}
	return Beside
}

// waits reports whether a resource waits for another one, or is that one.
func (s *Stack) waits(name, on string, seen map[string]bool) bool {
	if name == on {
		return true
	}
	if seen[name] || s.Resources[name] == nil {
		return false
	}
	seen[name] = true
	return slices.ContainsFunc(s.Resources[name].uses, func(used string) bool { return s.waits(used, on, seen) })
}

// Of returns the names of the resources of a type, sorted.
func (s *Stack) Of(kind string) []string {
	var all []string
	for name, r := range s.Resources {
		if r.Type == kind {
			all = append(all, name)
		}
	}
	slices.Sort(all)
	return all
}

// When says when a change happens, compared with the agent's alias moving to the new version.
func (c Change) When(to *Stack, alias string) Order {
	if c.Kind == Removed {
		return AtEnd
	}
	return to.Order(c.Name, alias)
}

func (c Change) String() string {
	properties := ""
	if len(c.Properties) > 0 {
		properties = " " + strings.Join(c.Properties, " ")
	}
	return fmt.Sprintf("%s %s%s", c.Kind, c.Name, properties)
}

// Concrete returns the stack as a template without parameters and conditions, as JSON for a linter.
func (s *Stack) Concrete() json.RawMessage {
	resources := map[string]any{}
	for name, r := range s.Resources {
		resource := map[string]any{"Type": r.Type, "Properties": concrete(r.Properties)}
		if r.DeletionPolicy != "" {
			resource["DeletionPolicy"], resource["UpdateReplacePolicy"] = r.DeletionPolicy, "Retain"
		}
		resources[name] = resource
	}
	outputs := map[string]any{}
	for name, value := range s.Outputs {
		outputs[name] = map[string]any{"Value": concrete(value)}
	}
	text, err := json.Marshal(map[string]any{"AWSTemplateFormatVersion": "2010-09-09", "Resources": resources, "Outputs": outputs})
	if err != nil {
		panic(err) // it was JSON
	}
	return text
}

func concrete(value any) any {
	switch v := value.(type) {
	case string:
		switch m := reference.FindStringSubmatch(v); {
		case m == nil:
			return v
		case m[0] != v:
			return map[string]any{"Fn::Sub": v}
		case m[2] == "":
			return map[string]any{"Ref": m[1]}
		default:
			return map[string]any{"Fn::GetAtt": []string{m[1], m[2]}}
		}
	case []any:
		list := []any{}
		for _, item := range v {
			list = append(list, concrete(item))
		}
		return list
	case map[string]any:
		object := map[string]any{}
		for key, item := range v {
			object[key] = concrete(item)
		}
		return object
	}
	return value
}
