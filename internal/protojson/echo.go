package protojson

import (
	"strconv"
	"strings"
	"unicode/utf8"
)

// FieldError is what is wrong with a field.
type FieldError struct {
	Field   string // its path, as message.parts[2].raw; "" for the whole
	Problem string // what it is and may not be, such as `is a number, not a string`
}

func (e *FieldError) Error() string { return strings.TrimSpace(e.Field + " " + e.Problem) }

// in puts what the field is in before its path: the name of a member after a dot, or an index in
// brackets.
func (e *FieldError) in(step string) {
	if e.Field != "" && e.Field[0] != '[' {
		e.Field = "." + e.Field
	}
	if e.Field = strings.TrimPrefix(step, ".") + e.Field; len(e.Field) > maxPath {
		e.Field = Cut(e.Field, maxEcho)
	}
}

// A client is told at most 200 bytes of what it has sent, three times: 0.3 has an error's message
// in two places, and the details have the field and the problem once more. No error has both, a
// long path and a value that is not what is expected: paths are long by the client's own names, of
// whose values nothing is expected.
const (
	maxEcho = 64
	maxPath = len("configuration.taskPushNotificationConfig.authentication.credentials") // as long as one without such names may be
)

// Echo returns, in quotes, so much of what a client has sent as an error may tell it.
func Echo(s string) string { return strconv.Quote(Cut(s, maxEcho)) }

// Cut returns the string, with at most n bytes of it and an ellipsis if it is longer. It does not
// cut through a rune.
func Cut(s string, n int) string {
	if len(s) <= n {
		return s
	}
	for n > 0 && !utf8.RuneStart(s[n]) {
		n--
	}
	return s[:n] + "…"
}
