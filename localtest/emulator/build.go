package emulator

import (
	"context"
	"crypto/sha256"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
)

var builds sync.Map // of package path to func() (string, error)

// Build builds the main package with the import path as it is deployed, for this machine, and
// returns the executable's path. A process builds each package once. The executables stay in the
// user's cache directory: one for each package and working directory.
func Build(ctx context.Context, pkg string) (path string, err error) {
	once, _ := builds.LoadOrStore(pkg, sync.OnceValues(func() (string, error) { return build(ctx, pkg) }))
	return once.(func() (string, error))()
}

func build(ctx context.Context, pkg string) (string, error) {
	cache, err := os.UserCacheDir()
	if err != nil {
		return "", fmt.Errorf("emulator: build %s: %w", pkg, err)
	}
	wd, err := os.Getwd()
	if err != nil {
		return "", fmt.Errorf("emulator: build %s: %w", pkg, err)
	}
	dir := filepath.Join(cache, "a2alambda", "functions", fmt.Sprintf("%.8x", sha256.Sum256([]byte(wd+"\x00"+pkg))))
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return "", fmt.Errorf("emulator: build %s: %w", pkg, err)
	}
	// Another process may be running or building the executable.
	tmp := filepath.Join(dir, fmt.Sprintf("bootstrap.%d", os.Getpid()))
	defer os.Remove(tmp)
	cmd := exec.CommandContext(ctx, "go", "build", "-o", tmp, "-trimpath", "-tags", "lambda.norpc", "-ldflags", "-s -w", pkg)
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("emulator: build %s: %w\n%s", pkg, err, out)
	}
	path := filepath.Join(dir, "bootstrap")
	if err := os.Rename(tmp, path); err != nil {
		return "", fmt.Errorf("emulator: build %s: %w", pkg, err)
	}
	return path, nil
}
