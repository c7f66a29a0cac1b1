package localtest_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"a2alambda/localtest"
)

// TestInstallMissing has the tools of any Linux in the PATH: no Java, no apt-get to get one.
func TestInstallMissing(t *testing.T) {
	bin := t.TempDir()
	for _, tool := range []string{"bash", "flock", "id", "mkdir"} {
		path, err := exec.LookPath(tool)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.Symlink(path, filepath.Join(bin, tool)); err != nil {
			t.Fatal(err)
		}
	}
	t.Setenv("PATH", bin)
	t.Setenv("XDG_CACHE_HOME", t.TempDir())
	_, err := localtest.Install(t.Context(), "dynamodb")
	const want = "localtest/setup.sh: Java 17 is missing: install it (Debian: apt-get install default-jre-headless) and run localtest/setup.sh again."
	if err == nil || err.Error() != want {
		t.Errorf("got error %v, want %s", err, want)
	}
}
