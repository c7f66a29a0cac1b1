package main

import (
	"archive/zip"
	"bytes"
	"os"
	"path"
	"testing"

	"a2alambda/localtest"
	"a2alambda/localtest/emulator"
)

// TestSizes holds the functions to the size of their zip for x86_64, which Lambda fetches and
// unpacks before each cold start. A budget is the measured size and a tenth, for other versions of
// Go. It shows when an import brings in a large package: gRPC would be four tenths of it.
func TestSizes(t *testing.T) {
	for pkg, budget := range map[string]float64{ // MB of 10⁶ bytes
		"functions/agent":   7.8,
		"functions/worker":  6.5,
		"functions/sweeper": 4.8,
		"functions/push":    4.8,
	} {
		t.Run(path.Base(pkg), func(t *testing.T) {
			t.Parallel()
			binary, err := emulator.Build(t.Context(), "a2alambda/"+pkg)
			localtest.Must(t, err)
			plain, zipped := sizes(t, binary)
			t.Logf("%.1f MB, zip %.2f MB", plain, zipped)
			if zipped > budget || zipped > plain || zipped < 1 {
				t.Errorf("the zip has %.2f MB, want %v at most, and 1 to be believed", zipped, budget)
			}
		})
	}
}

// sizes returns the size of a file, and of a zip that contains it, in MB of 10⁶ bytes.
func sizes(t *testing.T, path string) (plain, zipped float64) {
	t.Helper()
	file, err := os.ReadFile(path)
	localtest.Must(t, err)
	var out bytes.Buffer
	z := zip.NewWriter(&out)
	w, err := z.Create("bootstrap")
	localtest.Must(t, err)
	_, err = w.Write(file)
	localtest.Must(t, err, z.Close())
	return float64(len(file)) / 1e6, float64(out.Len()) / 1e6
}
