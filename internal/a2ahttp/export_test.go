package a2ahttp

import (
	"maps"
	"slices"
)

// Operations are the operations of both versions in both bindings: methods, and verbs with paths.
func Operations() (all []string) {
	all = slices.AppendSeq(slices.Collect(maps.Keys(operations)), maps.Keys(methods03))
	for prefix, routes := range map[string][]route{"": routes, "/v1": routes03} {
		for _, r := range routes {
			path := prefix
			for _, s := range r.path {
				path += "/" + s
			}
			for verb := range r.operations {
				all = append(all, verb+" "+path)
			}
		}
	}
	return all
}
