package lambdaenv

import (
	"fmt"
	"slices"
	"strings"
)

// settings are the names that SETTINGS may have: what few change, and only the functions read, and
// so no parameter of the template's own.
var settings = []string{
	"JOIN_WINDOW",
	"MAX_TOKENS",
}

// Settings returns the environment with what is in its variable SETTINGS besides: NAME=value, with
// spaces between them. It is an error if a name is none of those that may be there, or is there
// twice: somebody has meant something that would not happen.
func Settings(getenv func(string) string) (func(string) string, error) {
	set := map[string]string{}
	for field := range strings.FieldsSeq(getenv("SETTINGS")) {
		name, value, ok := strings.Cut(field, "=")
		_, twice := set[name]
		switch {
		case !ok:
			return nil, fmt.Errorf("SETTINGS has %q, which is not NAME=value", field)
		case !slices.Contains(settings, name):
			return nil, fmt.Errorf("SETTINGS has %s, which is none of %s", name, strings.Join(settings, ", "))
		case twice:
			return nil, fmt.Errorf("SETTINGS has %s twice", name)
		}
		set[name] = value
	}
	return func(name string) string {
		if value, ok := set[name]; ok {
			return value
		}
		return getenv(name)
	}, nil
}
