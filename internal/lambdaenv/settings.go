package lambdaenv

import (
	"fmt"
	"slices"
	"strings"
)

// settings are the names that SETTINGS may have. Only the functions read them and they rarely
// change, so the template has no parameters for them.
var settings = []string{
	"AGENT_CONFIG",
	"FILES_ALLOWED",
	"JOIN_WINDOW",
	"JOURNAL_ENTRIES",
	"MAX_ROUNDS",
	"MAX_TOKENS",
	"MODEL_PRICE",
	"MODEL_TIMEOUT",
	"ON_MISMATCH",
	"PEERS",
	"PEERS_ALLOWED_CIDRS",
	"TASK_TOKENS",
}

// Settings returns the environment, extended by its variable SETTINGS: NAME=value, separated by
// spaces. An unknown or repeated name is an error, since it would have no effect.
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
