package wire_test

import (
	"encoding/json"
	"fmt"
	"regexp"
	"strings"
	"unicode"
	"unicode/utf8"
)

// anyEnd is what anybody takes for the end of a line: Python's str.splitlines, Java's Scanner, .NET, Node's readline.
var anyEnd = regexp.MustCompile("\r\n|[\n\r\v\f\x1c\x1d\x1e\u0085\u2028\u2029]")

// oneLined says what is wrong with the lines of a stream for some reader of Server-Sent Events, or "".
func oneLined(stream string) string {
	if !utf8.ValidString(stream) {
		return "it is not UTF-8"
	}
	lines := strings.Split(stream, "\n")
	if split := anyEnd.Split(stream, -1); len(split) != len(lines) {
		return fmt.Sprintf("some readers see %d lines, others %d: %q", len(split), len(lines), stream)
	}
	if last := lines[len(lines)-1]; last != "" {
		return fmt.Sprintf("the last line does not end: %q", last)
	}
	before := ""
	for _, line := range lines[:len(lines)-1] {
		name, value, _ := strings.Cut(line, ": ")
		switch {
		case line == "" && !strings.HasPrefix(before, "data: "):
			return fmt.Sprintf("an empty line after %q, which some readers take for the end of an event", before)
		case line != "" && strings.HasPrefix(before, "data: "):
			return fmt.Sprintf("%q has more than one line of data", line)
		case name == "data" && !json.Valid([]byte(value)):
			return fmt.Sprintf("%q is not JSON", line)
		case !strings.Contains(" data id event retry  ", " "+name+" "):
			return fmt.Sprintf("%q is no field", line)
		case strings.ContainsFunc(value, unicode.IsControl):
			return fmt.Sprintf("%q has a control character", line)
		}
		before = line
	}
	return ""
}
