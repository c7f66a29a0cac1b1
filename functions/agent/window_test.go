package main

import (
	"testing"
	"time"
)

func TestJoinWindow(t *testing.T) {
	for text, test := range map[string]struct {
		window time.Duration
		says   string
	}{
		"":      {10 * time.Minute, "A message sent again within 10m after the end of its task gets that task (JOIN_WINDOW)"},
		"30s":   {30 * time.Second, "A message sent again within 30s after the end of its task gets that task (JOIN_WINDOW)"},
		"1h":    {time.Hour, "A message sent again within 1h after the end of its task gets that task (JOIN_WINDOW)"},
		"1h30m": {90 * time.Minute, "A message sent again within 1h30m after the end of its task gets that task (JOIN_WINDOW)"},
		"0":     {-1, "A message sent again while its task goes on joins it (JOIN_WINDOW=0)"},
		"0s":    {-1, "A message sent again while its task goes on joins it (JOIN_WINDOW=0)"},
	} {
		window, err := joinWindow(text)
		if err != nil || window != test.window {
			t.Errorf("%q is %v, %v", text, window, err)
		}
		if got := retries(window); got != test.says {
			t.Errorf("%q: %s", text, got)
		}
	}
	for _, text := range []string{"10", "ten minutes", "-1s", " 10m", "10 m"} {
		window, err := joinWindow(text)
		if want := `JOIN_WINDOW is "` + text + `", not a time like 30s, 10m or 1h, or 0`; err == nil || err.Error() != want {
			t.Errorf("%q is %v, %v", text, window, err)
		}
	}
}
