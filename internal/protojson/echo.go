package protojson

import (
	"strconv"
	"strings"
	"unicode/utf8"
)

// FieldError says what is wrong with a field.
type FieldError struct {
	Field   string // its path, as message.parts[2].raw; "" for the whole
	Problem string // what it is and may not be, such as `is a number, not a string`
}

func (e *FieldError) Error() string { return strings.TrimSpace(e.Field + " " + e.Problem) }

// in adds the next outer step to the field's path: ".name", or an index in brackets.
func (e *FieldError) in(step string) {
	if e.Field != "" && e.Field[0] != '[' {
		e.Field = "." + e.Field
	}
	if e.Field = strings.TrimPrefix(step, ".") + e.Field; len(e.Field) > maxPath {
		e.Field = Cut(e.Field, maxEcho)
	}
}

// An answer repeats at most 200 bytes of what a client sent, three times: 0.3 has an error's
// message twice, and the details have the field and the problem once more. No error has both a long
// path and a wrong value: paths are long by the client's own names, and any value may stand there.
const (
	maxEcho = 64
	maxPath = len("configuration.taskPushNotificationConfig.authentication.credentials") // our longest
)

// Echo returns, in quotes, as much of a client's text as an error may repeat.
func Echo(s string) string { return strconv.Quote(Cut(s, maxEcho)) }

// Cut returns the string, cut to n bytes and an ellipsis if it is longer. It does not cut a rune.
func Cut(s string, n int) string {
	if len(s) <= n {
		return s
	}
	for n > 0 && !utf8.RuneStart(s[n]) {
		n--
	}
	return s[:n] + "…"
}
