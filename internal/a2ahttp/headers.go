package a2ahttp

import (
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/a2aproject/a2a-go/v2/a2a"

	"a2alambda/internal/server"
)

// lastID is the header that says which event of a stream its client has seen last: HTML standard,
// 9.2.4.
const lastID = "Last-Event-ID"

// oneValued are headers that have one value. Where there are several, the last counts; or, where
// true, they have to be the same. A client library may add its own to that of its caller, a proxy
// to that of a client; a server sees two lines then, and Lambda one, with both.
var oneValued = map[string]bool{lastID: false, "Content-Type": false, a2a.SvcParamVersion: true, "Authorization": true}

// single makes the headers that have one value have one, so that a request is the same at every
// door. Those that contradict each other are left to be refused.
func single(handler http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		oneOfEach(r.Header)
		handler.ServeHTTP(w, r)
	})
}

func oneOfEach(h http.Header) {
	for name, same := range oneValued {
		values := h.Values(name)
		if len(values) == 0 {
			continue
		}
		all := members(values)
		switch {
		case len(all) == 0:
			h.Del(name)
		case same:
			// A single line stays as it is, but for repetitions: credentials of some schemes have
			// commas of their own.
			if one := theSame(all); len(values) > 1 || one == all[0] {
				h.Set(name, one)
			}
		default:
			h.Set(name, all[len(all)-1])
		}
	}
}

// theSame returns the member of a list whose members are all the same, or the list.
func theSame(all []string) string {
	if all = slices.Compact(all); len(all) != 1 {
		return strings.Join(all, ", ")
	}
	return all[0]
}

// members returns the members of a list, which may be in several lines: RFC 9110, 5.6.1. A comma
// within quotes is none of the list's.
func members(lines []string) (all []string) {
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

// lastEventID returns the number of the last event that the client says it has seen, or nil. Where
// a browser's EventSource is not the browser's own, the number may be in the query of a GET.
func lastEventID(r *http.Request) (*int64, error) {
	id := r.Header.Get(lastID)
	if id == "" && r.Method == http.MethodGet {
		if all := members(r.URL.Query()["lastEventId"]); len(all) > 0 {
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
