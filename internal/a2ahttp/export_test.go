package a2ahttp

import "maps"

// Operations are the operations of both versions in both bindings: methods, and verbs with paths.
func Operations() (operations []string) {
	for name := range maps.Keys(methods) {
		operations = append(operations, name)
	}
	for prefix, routes := range map[string][]route{"": routes, "/v1": routes03} {
		for _, r := range routes {
			path := prefix
			for _, s := range r.path {
				path += "/" + s
			}
			for verb := range r.verbs {
				operations = append(operations, verb+" "+path)
			}
		}
	}
	return operations
}
