package dynamolog

import "github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

// expression is an update in the making.
type expression struct {
	sets, removes string
	names         map[string]string
	values        values
}

func newExpression() *expression {
	return &expression{names: map[string]string{}, values: values{}}
}

func (e *expression) set(name string, v types.AttributeValue) {
	if e.sets == "" {
		e.sets = "SET "
	} else {
		e.sets += ", "
	}
	e.sets += "#" + name + " = :" + name
	e.names["#"+name], e.values[":"+name] = name, v
}

func (e *expression) remove(names ...string) {
	for _, name := range names {
		if e.removes == "" {
			e.removes = " REMOVE "
		} else {
			e.removes += ", "
		}
		e.removes += "#" + name
		e.names["#"+name] = name
	}
}
