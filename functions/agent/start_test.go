package main

import (
	"bytes"
	"errors"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// command returns a command that runs this test binary as the agent, with only these variables.
func command(t *testing.T, env ...string) *exec.Cmd {
	cmd := exec.CommandContext(t.Context(), os.Args[0])
	cmd.Env = append(env, "BE_THE_AGENT=yes")
	return cmd
}

func TestMain(m *testing.M) {
	if os.Getenv("BE_THE_AGENT") != "" {
		main()
		return
	}
	os.Exit(m.Run())
}

// TestRefusesToStart gives the agent senseless settings: each gets one sentence that names the
// setting.
func TestRefusesToStart(t *testing.T) {
	t.Parallel()
	taken, err := net.Listen("tcp", "localhost:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { taken.Close() })
	_, port, _ := net.SplitHostPort(taken.Addr().String())
	// It must never ask for credentials outside of this machine.
	const nobody = " AWS_EC2_METADATA_DISABLED=true AWS_REGION=us-east-1 AWS_CONFIG_FILE=/none AWS_SHARED_CREDENTIALS_FILE=/none"
	for _, test := range []struct{ env, want string }{
		{"PORT=" + port, "set PORT to another"},
		{"PORT=http", `PORT is "http"`},
		{"PORT=65536", `PORT is "65536"`},
		{"ADDRESS=192.0.2.1", `ADDRESS is "192.0.2.1"`},
		{"ADDRESS=localhost:80", `ADDRESS is "localhost:80"`},
		{"AGENT=parrot", `AGENT is "parrot", not one of demo, model, bedrock and purchase`},
		{"AGENT=bedrock", "MODEL_ID"},
		{"AUTH=oauth", `AUTH is "oauth"`},
		{"AUTH=oidc OIDC_AUDIENCE=a", "OIDC_ISSUER"},
		{"AUTH=oidc OIDC_ISSUER=https://issuer.example", "OIDC_AUDIENCE"},
		{"AUTH=oidc OIDC_AUDIENCE=a OIDC_ISSUER=http://issuer.example", "OIDC_ISSUER"},
		{"OIDC_ISSUER=https://issuer.example", "OIDC_ISSUER needs AUTH=oidc"},
		{"OIDC_AUDIENCE=a", "OIDC_AUDIENCE needs AUTH=oidc"},
		{"MODEL_ID=m", "MODEL_ID needs AGENT=model or AGENT=bedrock"},
		{"AUTH=iam", "AUTH=iam needs Lambda"},
		{"PAGE=maybe", `PAGE is "maybe"`},
		{"BUCKET_NAME=tasks", "BUCKET_NAME needs TABLE_NAME"},
		{"TABLE_NAME=tasks BUCKET_NAME=My_Bucket" + nobody, `BUCKET_NAME is "My_Bucket", not the name of a bucket`},
		{"RETENTION_DAYS=0", `RETENTION_DAYS is "0"`},
		{"JOIN_WINDOW=10", `JOIN_WINDOW is "10", not a time like 30s, 10m or 1h, or 0`},
		{"MAX_CONCURRENCY=0", `MAX_CONCURRENCY is "0", not a number from 1 to 1000000`},
		{"MAX_CONCURRENCY=5000 GOMEMLIMIT=1GiB", `MAX_CONCURRENCY is 5000: the memory is enough for 2457 streams`},
		{"MAX_CONCURRENCY=many", `MAX_CONCURRENCY is "many"`},
		{"METRICS_ADDRESS=192.0.2.1:9464", `METRICS_ADDRESS is "192.0.2.1:9464", where this machine cannot listen`},
		{"METRICS_ADDRESS=9464", `METRICS_ADDRESS is "9464", where this machine cannot listen`},
		{"LOG_FORMAT=xml", `LOG_FORMAT is "xml", not one of text and json`},
		{"AGENTCORE=yes", `AGENTCORE is "yes", not one of true and false`},
		{"SHUTDOWN_GRACE=25", `SHUTDOWN_GRACE is "25", not a time like 25s or 2m`},
		{"RETENTION_DAYS=1.5", `RETENTION_DAYS is "1.5"`},
		{"RETENTION_DAYS=106752", `RETENTION_DAYS is "106752"`},
		{"PUSH_ALLOWED_CIDRS=10.0.0.0/33", "PUSH_ALLOWED_CIDRS"},
		{"CARD_SIGNING_KEY=secret", "CARD_SIGNING_KEY"},
		{"PEERS=writer", `PEERS: "writer" is not name=url`},
		{"PEERS=writer=http://writer.example/", "PEERS: of writer: url must be https"},
		{`PEERS=a=https://b/ PEER_CREDENTIALS={"b":"secret"}`, `PEER_CREDENTIALS has "b", which PEERS has not`},
		{"TABLE_NAME=t" + nobody, "TABLE_NAME needs AWS credentials"},
		{"TABLE_NAME=t AWS_ENDPOINT_URL_DYNAMODB=http://127.0.0.1:1", `AWS_ENDPOINT_URL_DYNAMODB is "http://127.0.0.1:1", where no table can be created: dial tcp`},
		{"TABLE_NAME=t AWS_ENDPOINT_URL_DYNAMODB=here", `AWS_ENDPOINT_URL_DYNAMODB is "here", where no table can be created: unsupported protocol`},
	} {
		t.Run(test.env, func(t *testing.T) {
			t.Parallel()
			env := strings.Fields(test.env)
			if !strings.Contains(test.env, "PORT=") {
				env = append(env, "PORT=0")
			}
			cmd := command(t, env...)
			var out bytes.Buffer
			stdout, err := cmd.StdoutPipe() // a server writes its URL there
			if err != nil {
				t.Fatal(err)
			}
			cmd.Stderr = &out
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			if n, _ := stdout.Read(make([]byte, 1)); n > 0 {
				cmd.Process.Kill()
				t.Error("it serves")
			}
			err = cmd.Wait()
			if exit := (*exec.ExitError)(nil); !errors.As(err, &exit) || exit.ExitCode() != 1 {
				t.Errorf("it ended with %v, want status 1", err)
			}
			if lines := strings.Split(strings.TrimSpace(out.String()), "\n"); len(lines) != 1 || !strings.Contains(lines[0], test.want) {
				t.Errorf("it printed\n%swant one line with %s", &out, test.want)
			}
		})
	}
}

// TestHelp checks that each command's help names every setting that its code reads.
func TestHelp(t *testing.T) {
	t.Parallel()
	cmd := command(t, "TABLE_NAME=t")
	cmd.Args = append(cmd.Args, "-h")
	out, err := cmd.Output()
	if err != nil || string(out) != help {
		t.Errorf("-h: %v, %s", err, out)
	}
	read := regexp.MustCompile(`[gG]etenv\("([A-Z_]+)"\)`)
	for _, dirs := range [][]string{{"../agent", "../../internal/hosted"}, {"../worker", "../../internal/hosted"}, {"../push"}, {"../sweeper"}, {"../callback"}, {"../hook"}} {
		text, err := os.ReadFile(filepath.Join(dirs[0], "usage.txt"))
		if err != nil {
			t.Fatal(err)
		}
		for _, dir := range dirs {
			files, err := filepath.Glob(filepath.Join(dir, "*.go"))
			if err != nil || len(files) == 0 {
				t.Fatalf("%s: %v", dir, err)
			}
			for _, name := range files {
				source, err := os.ReadFile(name)
				if err != nil {
					t.Fatal(err)
				}
				for _, m := range read.FindAllSubmatch(source, -1) {
					setByLambda := bytes.HasPrefix(m[1], []byte("AWS_")) && !bytes.HasPrefix(m[1], []byte("AWS_ENDPOINT"))
					if !strings.HasSuffix(name, "_test.go") && !setByLambda && !bytes.Contains(text, m[1]) {
						t.Errorf("%s reads %s, which %s/usage.txt does not name", name, m[1], dirs[0])
					}
				}
			}
		}
	}
}
