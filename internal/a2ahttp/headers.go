package a2ahttp

import (
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/a2aproject/a2a-go/v2/a2a"

	"a2alambda/internal/server"
)

// lastID is the header with the number of the last event that the client has seen: HTML standard,
// 9.2.4.
const lastID = "Last-Event-ID"

// oneValued are the headers that have one value. Of several values the last counts; where true, all
// have to be the same. A client library may add a line to its caller's, and a proxy another: a
// server sees several lines, and Lambda joins them into one.
var oneValued = map[string]bool{lastID: false, "Content-Type": false, a2a.SvcParamVersion: true, "Authorization": true}

// singleValued leaves one value in these headers, so that a request is the same at every front
// door. Values that contradict each other stay, in one line, and are refused later.
func singleValued(handler http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		for name, same := range oneValued {
			lines := r.Header.Values(name)
			all := listed(lines)
			switch {
			case len(lines) == 0:
			case len(all) == 0:
				r.Header.Del(name)
			case !same:
				r.Header.Set(name, all[len(all)-1])
			default:
				// A single line stays as it is unless it only repeats: credentials of some schemes
				// contain commas.
				if one := joined(all); len(lines) > 1 || one == all[0] {
					r.Header.Set(name, one)
				}
			}
		}
		handler.ServeHTTP(w, r)
	})
}

// joined returns the members of a list in one line, or one of them if all are the same.
func joined(all []string) string {
	if all = slices.Compact(all); len(all) != 1 {
		return strings.Join(all, ", ")
	}
	return all[0]
}

// listed returns the members of a list, which may be in several lines (RFC 9110, 5.6.1). A comma in
// quotes separates nothing.
func listed(lines []string) (all []string) {
	for _, line := range lines {
		begin, quoted := 0, false
		for i := 0; i <= len(line); i++ {
			switch {
			case i == len(line) || line[i] == ',' && !quoted:
				if member := strings.TrimSpace(line[begin:i]); member != "" {
					all = append(all, member)
				}
				begin = i + 1
			case line[i] == '"':
				quoted = !quoted
			}
		}
	}
	return all
}

// lastEventID returns the number of the last event that the client has seen, or nil if it does not
// say. A GET may have it in the query, since some replacements for a browser's EventSource can't
// set the header.
func lastEventID(r *http.Request) (*int64, error) {
	id := r.Header.Get(lastID)
	if id == "" && r.Method == http.MethodGet {
		if all := listed(r.URL.Query()["lastEventId"]); len(all) > 0 {
			id = all[len(all)-1]
		}
	}
	if id == "" {
		return nil, nil
	}
	n, err := strconv.ParseUint(id, 10, 63)
	if err != nil {
		return nil, server.Invalid(lastID, "is not the number of an event")
	}
	seen := int64(n)
	return &seen, nil
}
