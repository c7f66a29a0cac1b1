package main

import (
	"context"
	_ "embed"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"a2alambda/localtest/emulator"
)

// modelFreeCode takes the place of model.go and config.go in internal/hosted: of what an author takes
// out who has no agent with a model.
//
//go:embed modelfree.txt
var modelFreeCode []byte

// buildModelFree builds a function as its author does who has no agent with a model.
func buildModelFree(ctx context.Context, pkg string) (string, error) {
	out, err := exec.CommandContext(ctx, "go", "list", "-f", "{{.Dir}}", "a2alambda/internal/hosted").Output()
	if err != nil {
		return "", fmt.Errorf("the folder of internal/hosted: %w", err)
	}
	cache, err := os.UserCacheDir()
	if err != nil {
		return "", err
	}
	at := func(name string) string { return filepath.Join(strings.TrimSpace(string(out)), name) }
	code := filepath.Join(cache, "a2alambda", "modelfree.go")
	overlay, err := json.Marshal(map[string]map[string]string{"Replace": {at("model.go"): code, at("config.go"): ""}})
	if err != nil {
		return "", err
	}
	file := filepath.Join(cache, "a2alambda", "modelfree.json")
	for name, data := range map[string][]byte{code: modelFreeCode, file: overlay} {
		if err := os.WriteFile(name, data, 0o600); err != nil {
			return "", err
		}
	}
	return emulator.BuildVariant(ctx, emulator.Variant{Pkg: pkg, Overlay: file})
}
