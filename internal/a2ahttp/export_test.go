package a2ahttp

import (
	"maps"
	"slices"
)

// Operations are the operations of both versions in both bindings: methods, and verbs with paths.
func Operations() (all []string) {
	for name, o := range operations {
		if !o.ours {
			all = append(all, name)
		}
	}
	all = slices.AppendSeq(all, maps.Keys(methods03))
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
