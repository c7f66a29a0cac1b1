package lambdaenv_test

import (
	"testing"

	"a2alambda/internal/lambdaenv"
)

func TestJournal(t *testing.T) {
	env := map[string]string{"AWS_LAMBDA_FUNCTION_VERSION": "7"}
	getenv := func(name string) string { return env[name] }
	if c, err := lambdaenv.Journal(getenv); err != nil || c.FailOnMismatch || c.MaxEntries != 0 || c.Code != "7" {
		t.Errorf("%+v, %v", c, err)
	}
	env["ON_MISMATCH"], env["JOURNAL_ENTRIES"] = "fail", "10000"
	if c, err := lambdaenv.Journal(getenv); err != nil || !c.FailOnMismatch || c.MaxEntries != 10000 {
		t.Errorf("%+v, %v", c, err)
	}
	for name, want := range map[string]string{
		"ON_MISMATCH":     `ON_MISMATCH is "10001", not park or fail`,
		"JOURNAL_ENTRIES": `JOURNAL_ENTRIES is "10001", not a number from 1 to 10000`,
	} {
		env = map[string]string{name: "10001"}
		if _, err := lambdaenv.Journal(getenv); err == nil || err.Error() != want {
			t.Errorf("%s: %v, want %s", name, err, want)
		}
	}
}
