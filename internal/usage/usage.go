// Package usage is the command line of commands that take their settings from the environment.
package usage

import (
	"fmt"
	"io"
	"os"
	"slices"
)

// Exit ends the process if there are arguments: with the text and status 0 if they ask for help,
// else with a sentence and status 2. Call it before anything starts.
func Exit(text string) {
	if status, ends := answer(text, os.Args[1:], os.Stdout, os.Stderr); ends {
		os.Exit(status)
	}
}

func answer(text string, args []string, stdout, stderr io.Writer) (status int, ends bool) {
	asks := func(arg string) bool { return slices.Contains([]string{"-h", "-help", "--help", "help"}, arg) }
	switch {
	case len(args) == 0:
		return 0, false
	case slices.ContainsFunc(args, asks):
		fmt.Fprint(stdout, text)
		return 0, true
	default:
		fmt.Fprintf(stderr, "%q is not understood: settings are in the environment, and -h lists them\n", args[0])
		return 2, true
	}
}
