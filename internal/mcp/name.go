package mcp

import (
	"crypto/sha256"
	"encoding/hex"
	"strings"
)

// maxName is the most bytes of a tool's name that all providers of models take, and isNameRune what
// it may have.
const maxName = 64

func isNameRune(r rune) bool {
	return r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || r == '-' || r == '_'
}

// nameOf returns the name by which a model calls a tool of a server: server_tool. If the tool's own
// name has other characters or is too long, the name ends in a part of its hash, so that two tools
// have two names, and the same ones in every run.
func nameOf(server, tool string) string {
	clean := strings.Map(func(r rune) rune {
		if isNameRune(r) {
			return r
		}
		return '_'
	}, tool)
	name := server + "_" + clean
	if clean == tool && len(name) <= maxName {
		return name
	}
	sum := sha256.Sum256([]byte(tool))
	tail := "_" + hex.EncodeToString(sum[:4])
	return name[:min(len(name), maxName-len(tail))] + tail
}
