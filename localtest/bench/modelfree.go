package main

import (
	"context"
	_ "embed"

	"a2alambda/localtest/emulator"
)

// modelFreeCode takes the place of model.go and config.go in internal/hosted: of what an author takes
// out who has no agent with a model.
//
//go:embed modelfree.txt
var modelFreeCode []byte

// buildModelFree builds a function as its author does who has no agent with a model.
func buildModelFree(ctx context.Context, pkg string) (string, error) {
	file, err := emulator.Overlay("modelfree", map[string][]byte{"internal/hosted/model.go": modelFreeCode, "internal/hosted/config.go": nil})
	if err != nil {
		return "", err
	}
	return emulator.BuildVariant(ctx, emulator.Variant{Pkg: pkg, Overlay: file})
}
