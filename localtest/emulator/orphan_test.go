package emulator_test

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"
	"time"

	"a2alambda/localtest/emulator"
)

// An emulator that is killed leaves no process behind, not even a frozen one.
func TestKilledEmulator(t *testing.T) {
	if os.Getenv("KILLED_EMULATOR") != "" {
		f := start(t, emulator.Config{})
		f.text(t, "/pid")
		fmt.Println("frozen", f.Instances()[0].PID)
		io.ReadAll(os.Stdin)
		return
	}
	exe, err := os.Executable()
	must(t, err)
	cmd := exec.Command(exe, "-test.run=^TestKilledEmulator$")
	cmd.Env = append(os.Environ(), "KILLED_EMULATOR=1")
	if _, err := cmd.StdinPipe(); err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	must(t, err)
	must(t, cmd.Start())
	printed, err := bufio.NewReader(out).ReadString('\n')
	cmd.Process.Kill()
	cmd.Wait()
	pid, ok := strings.CutPrefix(strings.TrimSpace(printed), "frozen ")
	if _, notNumber := strconv.Atoi(pid); !ok || notNumber != nil {
		t.Fatalf("the killed emulator printed %q, %v", printed, err)
	}
	for deadline := time.Now().Add(patience); runs(pid); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("process %s outlived its emulator", pid)
		}
	}
}

// runs reports whether a process runs, and is no zombie.
func runs(pid string) bool {
	stat, err := os.ReadFile("/proc/" + pid + "/stat")
	if err != nil {
		return false
	}
	_, state, _ := strings.Cut(string(stat), ") ")
	return !strings.HasPrefix(state, "Z")
}
