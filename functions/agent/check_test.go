package main

import (
	"errors"
	"fmt"
	"os/exec"
	"strings"
	"testing"

	"a2alambda/localtest/process"

	"github.com/aws/aws-sdk-go-v2/aws"
)

// serveAgent runs the agent as a local server, and returns its URL.
func serveAgent(t *testing.T, env ...string) string {
	t.Helper()
	for lines := process.Lines(t, command(t, append(env, "PORT=0")...)); lines.Scan(); {
		if _, url, ok := strings.Cut(lines.Text(), "A2A endpoint: "); ok {
			return url
		}
	}
	t.Fatal("it does not say where it serves")
	return ""
}

// TestCheck checks the local server by the command line, push notifications included.
func TestCheck(t *testing.T) {
	t.Parallel()
	url := serveAgent(t)
	port, err := process.FreePort()
	if err != nil {
		t.Fatal(err)
	}
	receiver := fmt.Sprint("127.0.0.1:", port)
	cmd := command(t)
	cmd.Args = append(cmd.Args, "check", "-need", "stream,resume,cancel,push", "-long", "5s", "-listen", receiver, "-push", "http://"+receiver+"/", url)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
}

// TestCheckRefuses gives it senseless arguments.
func TestCheckRefuses(t *testing.T) {
	t.Parallel()
	for args, want := range map[string]string{
		"":                              "one URL is needed",
		"localhost:10000":               `"localhost:10000" is no http or https URL`,
		"-token x -sign http://[::1]/":  "exclude each other",
		"-need gold http://127.0.0.1:1": `there is no check "gold"`,
		"-listen nowhere http://[::1]/": "-listen",
		"http://127.0.0.1:1":            "FAILED: card",
	} {
		cmd := command(t)
		cmd.Args = append(append(cmd.Args, "check"), strings.Fields(args)...)
		out, err := cmd.CombinedOutput()
		if exit := (*exec.ExitError)(nil); !errors.As(err, &exit) || exit.ExitCode() != 1 || !strings.Contains(string(out), want) {
			t.Errorf("%q: %v, want status 1 and %s\n%s", args, err, want, out)
		}
	}
}

func TestSignedFor(t *testing.T) {
	t.Parallel()
	for host, want := range map[string]string{
		"abc.lambda-url.eu-west-1.on.aws":             "lambda eu-west-1",
		"abc.execute-api.us-east-2.amazonaws.com":     "execute-api us-east-2",
		"agent.example.com":                           "lambda from-the-profile",
		"abc.execute-api.cn-north-1.amazonaws.com.cn": "execute-api cn-north-1",
	} {
		service, region := signedFor(host, aws.Config{Region: "from-the-profile"})
		if got := service + " " + region; got != want {
			t.Errorf("%s is signed for %s, want %s", host, got, want)
		}
	}
}
