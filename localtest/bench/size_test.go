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

// TestSizes holds the functions to the size of their zip, which Lambda fetches and unpacks before each
// cold start: for arm64, which is deployed, and for x86_64. A budget is the measured size and a tenth,
// for other versions of Go. It shows when an import brings in a large package: gRPC would be four
// tenths of it.
func TestSizes(t *testing.T) {
	for pkg, budgets := range map[string]map[string]float64{ // MB of 10⁶ bytes
		"functions/agent":   {"arm64": 7, "amd64": 7.8},
		"functions/worker":  {"arm64": 6.1, "amd64": 6.5},
		"functions/sweeper": {"arm64": 4.7, "amd64": 5},
		"functions/push":    {"arm64": 4.7, "amd64": 5},
	} {
		for arch, budget := range budgets {
			t.Run(path.Base(pkg)+" "+arch, func(t *testing.T) {
				t.Parallel()
				binary, err := emulator.BuildVariant(t.Context(), emulator.Variant{Pkg: "a2alambda/" + pkg, Arch: arch})
				localtest.Must(t, err)
				plain, zipped := sizes(t, binary)
				t.Logf("%.1f MB, zip %.2f MB", plain, zipped)
				if zipped > budget || zipped > plain || zipped < 1 {
					t.Errorf("the zip has %.2f MB, want %v at most, and 1 to be believed", zipped, budget)
				}
			})
		}
	}
}

// TestModelFree checks that an author who takes the agent with a model out of internal/hosted does
// not carry it.
func TestModelFree(t *testing.T) {
	t.Parallel()
	with, err := emulator.Build(t.Context(), "a2alambda/functions/agent")
	localtest.Must(t, err)
	without, err := buildModelFree(t.Context(), "a2alambda/functions/agent")
	localtest.Must(t, err)
	_, all := sizes(t, with)
	_, less := sizes(t, without)
	t.Logf("zip %.2f MB, without a model %.2f MB", all, less)
	for _, text := range []string{"modelcontextprotocol", "go-openai", "bedrockruntime", "go.yaml.in"} {
		for name, is := range map[string]bool{with: true, without: false} {
			binary, err := os.ReadFile(name)
			localtest.Must(t, err)
			if got := bytes.Contains(binary, []byte(text)); got != is {
				t.Errorf("%s has %s: %v", name, text, got)
			}
		}
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
