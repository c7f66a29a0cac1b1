package docs_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"a2alambda/internal/check"
)

// aws is the reason why no test runs a command.
const aws = "an AWS account"

// commands says which test runs a command that a document shows in a block, or what the command
// needs that no test has. The first entry counts that begins the command, without its environment
// variables.
var commands = []struct{ begins, shown string }{
	{".ci/run", "the checks themselves"},
	{"aws ", aws},
	{"sam build && sam deploy", aws},
	{"sam deploy", aws},
	{"sam build", "TestDeploy, localtest/deploy"},
	{"go run ./functions/agent check", "TestCheck, functions/agent"},
	{"go run ./functions/agent task", "TestTask, functions/agent"},
	{"go run ./functions/agent", "TestReadme, localtest/localserver"},
	{"npx -y @modelcontextprotocol/server-everything streamableHttp", "TestEverything, localtest/mcp"},
	{"go run ./localtest/serve", "TestServe, localtest/serve"},
	{"go build -tags lambda.norpc -o bootstrap", "TestReadme, localtest/emulator/cmd/emulate"},
	{"go run ./localtest/emulator/cmd/emulate", "TestReadme, localtest/emulator/cmd/emulate"},
	{"curl -N 'http://127.0.0.1:9000/events?n=3'", "TestReadme, localtest/emulator/cmd/emulate"},
	{"go build -trimpath -ldflags='-s -w' -o dist/$arch/agent", "TestArchitectures, localtest/container"},
	{"cp /etc/ssl/certs/ca-certificates.crt dist/", "TestContainer, localtest/container"},
	{"docker buildx build", "TestArchitectures, localtest/container, without buildx"},
	{"docker run --read-only", "TestContainer, localtest/container"},
	{"go run ./localtest/bench", "TestBench, localtest/bench"},
	{"go test -v -timeout 1h -run TestCrashDynamoDB", "TestCrashDynamoDB, internal/purchase"},
	{"go test -v -timeout 2h -run TestChaos ./localtest/chaos", "TestChaos, localtest/chaos"},
	{"go test -v -timeout 2h -run TestEffects ./localtest/chaos", "TestEffects, localtest/chaos"},
	{"curl -N http://localhost:10000/message:stream", "TestTranscripts, internal/hosted"},
}

// TestShell checks that the shell can read each block of commands, and that each command is run by
// a test or says what it needs.
func TestShell(t *testing.T) {
	blocks := 0
	for _, d := range documents(t) {
		for _, b := range d.blocks {
			text := b.code
			switch b.info {
			case "sh":
			case "console":
				text = typed(text)
			default:
				continue
			}
			blocks++
			shell := exec.Command("sh", "-n")
			shell.Stdin = strings.NewReader(text)
			if out, err := shell.CombinedOutput(); err != nil {
				t.Errorf("%s: %v: %s in\n%s", d.path, err, out, text)
			}
			if strings.Contains(text, "$RANDOM") {
				t.Errorf("%s: a POSIX shell has no $RANDOM:\n%s", d.path, text)
			}
			if d.path == "docs/clients.md" { // its recipes are run whole
				continue
			}
			for _, command := range commandsIn(text) {
				checkCommand(t, d.path, command)
			}
		}
	}
	if blocks < 20 {
		t.Errorf("the documents have %d blocks of commands", blocks)
	}
}

func checkCommand(t *testing.T, path, command string) {
	t.Helper()
	i := slices.IndexFunc(commands, func(c struct{ begins, shown string }) bool { return strings.HasPrefix(command, c.begins) })
	if i < 0 {
		t.Errorf("%s: no test runs this command, nor is it named as one that needs AWS: %s", path, command)
		return
	}
	if name, dir, ok := strings.Cut(commands[i].shown, ", "); ok && !slices.Contains(testsIn(t, dir), name) {
		t.Errorf("%s: %s has no %s, which should run: %s", path, dir, name, command)
	}
}

// typed returns the commands after the prompts in what a terminal shows.
func typed(terminal string) string {
	var b strings.Builder
	open := false
	for line := range strings.Lines(terminal) {
		if command, ok := strings.CutPrefix(line, "$ "); ok {
			line, open = command, true
		}
		if open {
			b.WriteString(line)
			open = strings.Count(b.String(), "'")%2 == 1 || strings.HasSuffix(line, "\\\n")
		}
	}
	return b.String()
}

var (
	assignment = regexp.MustCompile(`^(?:export )?[A-Za-z_]+=(?:"[^"]*"|'[^']*'|[^\s"'$]|\$\w+)*(?:\s+|$)`)
	substitute = regexp.MustCompile(`^[A-Za-z_]+=\$\((.*)\)$`)
	control    = regexp.MustCompile(`^(?:for .*|do|done|fi|\}|\w+\(\) \{|:|rm .*|openssl .*|public\(\) .*|until .*|sleep 5; )\s*`)
)

// commandsIn returns the commands of a shell script, without variables and loops before them.
func commandsIn(script string) (all []string) {
	script = regexp.MustCompile(`(?m)(^|\s)#.*$`).ReplaceAllString(script, "")
	for _, line := range logicalLines(script) {
		line = strings.Join(strings.Fields(line), " ")
		if m := substitute.FindStringSubmatch(line); m != nil {
			line = m[1]
		}
		for assignment.MatchString(line) {
			line = assignment.ReplaceAllString(line, "")
		}
		line = strings.TrimPrefix(line, "sleep 5; ")
		if line != "" && !control.MatchString(line) {
			all = append(all, line)
		}
	}
	return all
}

// logicalLines splits a script at line ends that are neither in quotes nor after a backslash.
func logicalLines(script string) (lines []string) {
	var line strings.Builder
	var quote rune
	escaped := false
	for _, r := range script {
		switch {
		case escaped:
			escaped = false
			if r == '\n' {
				r = ' '
			}
		case r == '\\' && quote != '\'':
			escaped = true
			continue
		case quote == 0 && (r == '\'' || r == '"'):
			quote = r
		case r == quote:
			quote = 0
		case r == '\n' && quote == 0:
			lines = append(lines, line.String())
			line.Reset()
			continue
		}
		line.WriteRune(r)
	}
	return append(lines, line.String())
}

var goCommand = regexp.MustCompile(`go (run|test|vet|tool) ([^\n|&;` + "`" + `]*)`)

// TestCommands finds go commands, also in the text, whose package, test or flag does not exist.
func TestCommands(t *testing.T) {
	found := 0
	for _, d := range documents(t) {
		text := strings.ReplaceAll(comment.ReplaceAllString(d.text, ""), "`", "\n")
		for _, b := range d.blocks {
			if b.info == "sh" || b.info == "console" {
				text += "\n" + strings.ReplaceAll(b.code, "\\\n", " ")
			}
		}
		for _, m := range goCommand.FindAllStringSubmatch(text, -1) {
			words := strings.Fields(m[2])
			i := slices.IndexFunc(words, func(w string) bool { return strings.HasPrefix(w, "./") && w != "./..." })
			if i < 0 {
				continue
			}
			dir := strings.TrimSuffix(words[i], "/...")
			found++
			if info, err := os.Stat(filepath.Join(root, dir)); err != nil || !info.IsDir() {
				t.Errorf("%s: %s: there is no %s", d.path, m[0], dir)
				continue
			}
			checkWords(t, d.path, m[0], dir, words)
			if i := slices.Index(words, "-need"); i > 0 && i+1 < len(words) {
				for _, name := range strings.Split(words[i+1], ",") {
					if !slices.Contains(check.Names(), name) {
						t.Errorf("%s: %s: there is no check %s", d.path, m[0], name)
					}
				}
			}
		}
	}
	if found < 12 {
		t.Errorf("the documents have %d commands", found)
	}
}

// goFlags are the flags of go test in the documents, and whether they have a value.
var goFlags = map[string]bool{"v": false, "run": true, "bench": true, "benchtime": true, "timeout": true, "count": false, "race": false,
	"fuzz": true, "fuzztime": true, "args": false}

// checkWords checks the tests and flags that a command names.
func checkWords(t *testing.T, path, command, dir string, words []string) {
	t.Helper()
	var source strings.Builder
	for _, f := range append(goFiles(t, dir, false), goFiles(t, dir, true)...) {
		source.WriteString(read(t, f))
	}
	for i, w := range words {
		name, isFlag := strings.CutPrefix(w, "-")
		name, _, _ = strings.Cut(name, "=")
		_, ofGo := goFlags[name]
		switch {
		case !isFlag || name == "" || name == "h":
		case ofGo && goFlags[name] && i+1 == len(words):
			t.Errorf("%s: %s: -%s has no value", path, command, name)
		case ofGo && slices.Contains([]string{"run", "bench", "fuzz"}, name):
			pattern := strings.Trim(words[i+1], `'"`)
			pattern, _, _ = strings.Cut(pattern, "/")
			one, err := regexp.Compile(pattern)
			if err != nil {
				t.Errorf("%s: %s: %v", path, command, err)
			} else if pattern != "-" && pattern != "." && !slices.ContainsFunc(testsIn(t, dir), one.MatchString) {
				t.Errorf("%s: %s: %s has no test %s", path, command, dir, pattern)
			}
		case ofGo:
		case !regexp.MustCompile(`(flag|flags|fs)\.\w+\((&[\w.]+, )?"` + regexp.QuoteMeta(name) + `"`).MatchString(source.String()):
			t.Errorf("%s: %s: %s has no flag -%s", path, command, dir, name)
		}
	}
}
