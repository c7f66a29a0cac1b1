package main

import (
	"archive/zip"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
)

// measureSize measures the functions as they are deployed.
func measureSize(ctx context.Context, b *bench) (section, error) {
	dir, err := os.MkdirTemp("", "bench-*")
	if err != nil {
		return section{}, err
	}
	defer os.RemoveAll(dir)
	s := section{
		title: "Size",
		text:  "Of each function's executable, built as for deployment, and of its zip. MB are 10⁶ bytes.",
		table: table{head: []string{"", "arm64, MB", "zip", "x86_64, MB", "zip"}},
	}
	for _, f := range []struct{ name, pkg string }{
		{"bare function", "localtest/bench/internal/bare"},
		{"agent", "functions/agent"},
		{"worker", "functions/worker"},
		{"sweeper", "functions/sweeper"},
		{"push", "functions/push"},
	} {
		row := []string{f.name}
		for _, arch := range []string{"arm64", "amd64"} {
			b.say("%s, %s", f.name, arch)
			path := filepath.Join(dir, "bootstrap")
			cmd := exec.CommandContext(ctx, "go", "build", "-o", path, "-trimpath", "-tags", "lambda.norpc", "-ldflags", "-s -w", "a2alambda/"+f.pkg)
			cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOARCH="+arch)
			if out, err := cmd.CombinedOutput(); err != nil {
				return section{}, fmt.Errorf("building %s: %w\n%s", f.name, err, out)
			}
			size, zipped, err := sizes(path)
			if err != nil {
				return section{}, err
			}
			row = append(row, figure(size), figure(zipped))
			s.samples = append(s.samples, series{f.name, "executable, " + arch, "MB", []float64{size}},
				series{f.name, "zip, " + arch, "MB", []float64{zipped}})
		}
		s.table.add(row...)
	}
	return s, nil
}

// sizes returns the size of a file, and of a zip with it, in MB of 10⁶ bytes.
func sizes(path string) (plain, zipped float64, err error) {
	file, err := os.Open(path)
	if err != nil {
		return 0, 0, err
	}
	defer file.Close()
	var out count
	z := zip.NewWriter(&out)
	w, err := z.Create(filepath.Base(path))
	if err != nil {
		return 0, 0, err
	}
	n, err := io.Copy(w, file)
	if err != nil {
		return 0, 0, err
	}
	if err := z.Close(); err != nil {
		return 0, 0, err
	}
	return float64(n) / 1e6, float64(out) / 1e6, nil
}

// count counts the bytes that are written to it.
type count int64

func (c *count) Write(p []byte) (int, error) {
	*c += count(len(p))
	return len(p), nil
}
