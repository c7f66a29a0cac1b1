package lambdaenv_test

import (
	"testing"

	"a2alambda/internal/lambdaenv"
)

func TestSettings(t *testing.T) {
	env := map[string]string{"SETTINGS": " MAX_TOKENS=100 JOIN_WINDOW=1h PEERS=a=https://b/;adopt", "MAX_TOKENS": "7", "PORT": "1"}
	getenv, err := lambdaenv.Settings(func(name string) string { return env[name] })
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{"MAX_TOKENS": "100", "JOIN_WINDOW": "1h", "PEERS": "a=https://b/;adopt", "PORT": "1", "AUTH": ""} {
		if got := getenv(name); got != want {
			t.Errorf("%s is %q, want %q", name, got, want)
		}
	}
	for list, want := range map[string]string{
		"MAX_TOKENS":                  `SETTINGS has "MAX_TOKENS", which is not NAME=value`,
		"MAX_TOKEN=1":                 `SETTINGS has MAX_TOKEN, which is none of AGENT_CONFIG, FILES_ALLOWED, JOIN_WINDOW, JOURNAL_ENTRIES, MAX_ROUNDS, MAX_TOKENS, MODEL_PRICE, MODEL_TIMEOUT, ON_MISMATCH, PEERS, PEERS_ALLOWED_CIDRS, TASK_TOKENS`,
		"AUTH=none":                   `SETTINGS has AUTH, which is none of AGENT_CONFIG, FILES_ALLOWED, JOIN_WINDOW, JOURNAL_ENTRIES, MAX_ROUNDS, MAX_TOKENS, MODEL_PRICE, MODEL_TIMEOUT, ON_MISMATCH, PEERS, PEERS_ALLOWED_CIDRS, TASK_TOKENS`,
		"MAX_TOKENS=1 MAX_TOKENS=2":   `SETTINGS has MAX_TOKENS twice`,
		"MAX_TOKENS=1\nTABLE_NAME=\t": `SETTINGS has TABLE_NAME, which is none of AGENT_CONFIG, FILES_ALLOWED, JOIN_WINDOW, JOURNAL_ENTRIES, MAX_ROUNDS, MAX_TOKENS, MODEL_PRICE, MODEL_TIMEOUT, ON_MISMATCH, PEERS, PEERS_ALLOWED_CIDRS, TASK_TOKENS`,
	} {
		if _, err := lambdaenv.Settings(func(string) string { return list }); err == nil || err.Error() != want {
			t.Errorf("%q: %v, want %s", list, err, want)
		}
	}
}
