package emulator

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
)

var builds sync.Map // of Variant to func() (string, error)

// Variant is a main package, and a way to build it.
type Variant struct {
	// Pkg is the package's import path.
	Pkg string
	// Arch is the architecture, as GOARCH has it. "" is this machine's.
	Arch string
	// Overlay is a file for go build -overlay, such as [Overlay] makes. It may be "".
	Overlay string
}

// Build builds the main package with the import path as it is deployed, for this machine, and
// returns the executable's path. A process builds each package once. The executables stay in the
// user's cache directory: one for each package and module. What is up to date is not linked again.
func Build(ctx context.Context, pkg string) (path string, err error) {
	return BuildVariant(ctx, Variant{Pkg: pkg})
}

// BuildVariant is [Build] in another way.
func BuildVariant(ctx context.Context, v Variant) (path string, err error) {
	once, _ := builds.LoadOrStore(v, sync.OnceValues(func() (string, error) { return build(ctx, v) }))
	return once.(func() (string, error))()
}

func build(ctx context.Context, v Variant) (string, error) {
	pkg := v.Pkg
	cache, err := os.UserCacheDir()
	if err != nil {
		return "", fmt.Errorf("emulator: build %s: %w", pkg, err)
	}
	from, err := module(pkg)
	if err != nil {
		return "", fmt.Errorf("emulator: build %s: %w", pkg, err)
	}
	dir := filepath.Join(cache, "a2alambda", "functions", fmt.Sprintf("%.8x", sha256.Sum256([]byte(strings.Join([]string{from, pkg, v.Arch, v.Overlay}, "\x00")))))
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return "", fmt.Errorf("emulator: build %s: %w", pkg, err)
	}
	// Another process may be running or building the executable. Go replaces a file that is not up to date.
	path, tmp := filepath.Join(dir, "bootstrap"), filepath.Join(dir, fmt.Sprintf("bootstrap.%d", os.Getpid()))
	defer os.Remove(tmp)
	_ = os.Link(path, tmp)
	cmd := exec.CommandContext(ctx, "go", "build", "-o", tmp, "-trimpath", "-tags", "lambda.norpc", "-ldflags", "-s -w", "-overlay", v.Overlay, pkg)
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if v.Arch != "" {
		cmd.Env = append(cmd.Env, "GOARCH="+v.Arch)
	}
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("emulator: build %s: %w\n%s", pkg, err, out)
	}
	if err := os.Rename(tmp, path); err != nil {
		return "", fmt.Errorf("emulator: build %s: %w", pkg, err)
	}
	return path, nil
}

// Overlay writes a file for [Variant], which puts other sources in the place of this module's. They go by
// their paths in the module; nil takes a file out. The name is that of the variant.
func Overlay(name string, sources map[string][]byte) (file string, err error) {
	defer func() {
		if err != nil {
			err = fmt.Errorf("emulator: overlay %s: %w", name, err)
		}
	}()
	cache, err := os.UserCacheDir()
	if err != nil {
		return "", err
	}
	root, err := module("")
	if err != nil {
		return "", err
	}
	dir := filepath.Join(cache, "a2alambda", "overlays", fmt.Sprintf("%s-%.8x", name, sha256.Sum256([]byte(root))))
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return "", err
	}
	replace := map[string]string{}
	for path, source := range sources {
		replaced := filepath.Join(root, path)
		if replace[replaced] = ""; source == nil {
			continue
		}
		replace[replaced] = filepath.Join(dir, strings.ReplaceAll(path, "/", "_"))
		if err := os.WriteFile(replace[replaced], source, 0o600); err != nil {
			return "", err
		}
	}
	overlay, err := json.Marshal(map[string]any{"Replace": replace})
	if err != nil {
		return "", err
	}
	file = filepath.Join(dir, "overlay.json")
	return file, os.WriteFile(file, overlay, 0o600)
}

// module returns the directory that decides what the package's path means: that of go.mod, or, for a
// path that begins with a dot, the working directory.
func module(pkg string) (string, error) {
	wd, err := os.Getwd()
	if err != nil || strings.HasPrefix(pkg, ".") {
		return wd, err
	}
	for dir := wd; ; dir = filepath.Dir(dir) {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			return dir, nil
		}
		if dir == filepath.Dir(dir) {
			return wd, nil
		}
	}
}
