package dynamolog

import (
	"strconv"
	"strings"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
)

// expression is what a write changes in an item, and its condition. Every attribute has a
// placeholder, since some names are reserved words.
// https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/ReservedWords.html
type expression struct {
	sets, removes []string
	adds, deletes []string // members of sets
	conditions    []string
	condition     string // all of them
	names         map[string]string
	values        values
	ifNew         bool // the condition holds where no item is
}

// values are those in an expression, by their placeholders.
type values = map[string]types.AttributeValue

// write returns an expression that does nothing yet.
func write() *expression { return &expression{names: map[string]string{}, values: values{}} }

// ifNew returns the condition that no item is there, or, unless that is "", that the format holds: see
// text.
func ifNew(or string, args ...any) *expression {
	e := write()
	e.ifNew = true
	if or == "" {
		return e.when("attribute_not_exists(?)", attrPK)
	}
	return e.when("attribute_not_exists(?) OR "+or, append([]any{attrPK}, args...)...)
}

// text returns the format with a placeholder for each "?". An argument that is a string is the name
// of an attribute, any other is a value.
func (e *expression) text(format string, args ...any) string {
	var b strings.Builder
	for part := range strings.SplitSeq(format, "?") {
		b.WriteString(part)
		if len(args) == 0 {
			break
		}
		switch arg := args[0].(type) {
		case string:
			e.names["#"+arg] = arg
			b.WriteString("#" + arg)
		case types.AttributeValue:
			name := ":v" + strconv.Itoa(len(e.values))
			e.values[name] = arg
			b.WriteString(name)
		}
		args = args[1:]
	}
	return b.String()
}

func (e *expression) set(name string, v types.AttributeValue) *expression {
	return e.setTo(name, "?", v)
}

// setTo sets an attribute to an operand, see text.
func (e *expression) setTo(name, format string, args ...any) *expression {
	e.sets = append(e.sets, e.text("? = ", name)+e.text(format, args...))
	return e
}

func (e *expression) remove(names ...string) *expression {
	for _, name := range names {
		e.removes = append(e.removes, e.text("?", name))
	}
	return e
}

// add adds a member to a set.
func (e *expression) add(name, member string) *expression {
	e.adds = append(e.adds, e.text("? ?", name, &types.AttributeValueMemberSS{Value: []string{member}}))
	return e
}

// drop removes a member from a set.
func (e *expression) drop(name, member string) *expression {
	e.deletes = append(e.deletes, e.text("? ?", name, &types.AttributeValueMemberSS{Value: []string{member}}))
	return e
}

// when adds a condition, see text. All that are added must hold.
func (e *expression) when(format string, args ...any) *expression {
	e.conditions = append(e.conditions, e.text(format, args...))
	if e.condition = e.conditions[0]; len(e.conditions) > 1 {
		e.condition = "(" + strings.Join(e.conditions, ") AND (") + ")"
	}
	return e
}

// update returns the update expression.
func (e *expression) update() string {
	var clauses []string
	if len(e.sets) > 0 {
		clauses = append(clauses, "SET "+strings.Join(e.sets, ", "))
	}
	if len(e.removes) > 0 {
		clauses = append(clauses, "REMOVE "+strings.Join(e.removes, ", "))
	}
	if len(e.adds) > 0 {
		clauses = append(clauses, "ADD "+strings.Join(e.adds, ", "))
	}
	if len(e.deletes) > 0 {
		clauses = append(clauses, "DELETE "+strings.Join(e.deletes, ", "))
	}
	return strings.Join(clauses, " ")
}
