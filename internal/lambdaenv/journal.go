package lambdaenv

import (
	"cmp"
	"fmt"
	"runtime/debug"
	"strconv"

	"a2alambda/internal/durable"
	"a2alambda/internal/run"
)

// Journal returns how the journals of a durable agent are kept, by the environment:
//
//	ON_MISMATCH      what becomes of tasks that changed code cannot go on with: park (the default) or fail
//	JOURNAL_ENTRIES  the most entries of a task's journal: 1000 is the default, 10000 the most
func Journal(getenv func(string) string) (run.JournalConfig, error) {
	c := run.JournalConfig{Code: cmp.Or(getenv("AWS_LAMBDA_FUNCTION_VERSION"), revision())}
	switch choice := cmp.Or(getenv("ON_MISMATCH"), "park"); choice {
	case "park":
	case "fail":
		c.FailOnMismatch = true
	default:
		return c, fmt.Errorf("ON_MISMATCH is %q, not park or fail", choice)
	}
	if text := getenv("JOURNAL_ENTRIES"); text != "" {
		n, err := strconv.Atoi(text)
		if err != nil || n < 1 || n > durable.MaxEntries {
			return c, fmt.Errorf("JOURNAL_ENTRIES is %q, not a number from 1 to %d", text, durable.MaxEntries)
		}
		c.MaxEntries = n
	}
	return c, nil
}

// revision returns the commit that the program was built from, or "".
func revision() string {
	info, _ := debug.ReadBuildInfo()
	if info == nil {
		return ""
	}
	for _, s := range info.Settings {
		if s.Key == "vcs.revision" {
			return s.Value[:min(len(s.Value), 12)]
		}
	}
	return ""
}
