package server_test

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"maps"
	"slices"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/a2aproject/a2a-go/v2/a2a"

	"a2alambda/internal/memlog"
	"a2alambda/internal/server"
)

// shownIDs returns what clients see of a caller's requests to a server with a new store: the ids of
// a task, its context and its configuration, and the token of a page.
func shownIDs(t *testing.T, s *server.Server, c server.Caller) []string {
	t.Helper()
	var task *a2a.Task
	for _, id := range []string{"m", "n"} {
		m := a2a.NewMessage(a2a.MessageRoleUser, a2a.NewTextPart("a text that somebody may guess"))
		m.ID = id
		var err error
		if task, err = s.SendMessage(t.Context(), c, &a2a.SendMessageRequest{Message: m}); err != nil {
			t.Fatal(err)
		}
	}
	config, err := s.CreatePushConfig(t.Context(), c, &a2a.PushConfig{TaskID: task.ID, URL: "https://example.com"})
	if err != nil {
		t.Fatal(err)
	}
	list, err := s.ListTasks(t.Context(), c, &a2a.ListTasksRequest{PageSize: 1})
	if err != nil {
		t.Fatal(err)
	}
	return []string{string(task.ID), task.ContextID, config.ID, list.NextPageToken}
}

// TestIDs sends the same requests of the same caller to servers. Over two stores, what clients see
// has nothing in common, not even the beginning of an id. So it does not follow from the caller's
// data alone. Over one store, the ids are the same.
func TestIDs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		alice := server.Caller{Version: "1.0", Owner: "https://issuer.example alice"}
		one, _ := newServer()
		other, _ := newServer()
		a, b, again := shownIDs(t, one, alice), shownIDs(t, other, alice), shownIDs(t, one, alice)
		for i := range a {
			if a[i] == b[i] || i < 3 && a[i][:8] == b[i][:8] {
				t.Errorf("two stores have %s and %s", a[i], b[i])
			}
			if i < 3 && a[i] != again[i] {
				t.Errorf("sent again it is %s, not %s", again[i], a[i])
			}
		}
		if a[0][:8] != a[1][:8] || a[0][:8] != a[2][:8] {
			t.Errorf("the ids of one caller begin differently: %q", a)
		}
		for _, c := range []server.Caller{{Version: "1.0"}, {Version: "1.0", Owner: "https://other.example alice"}} {
			for i, id := range shownIDs(t, one, c)[:3] {
				if id[:8] == a[i][:8] {
					t.Errorf("%+v has %s, and alice %s", c, id, a[i])
				}
			}
		}
	})
}

// TestPageTokens checks that a page token is accepted only unchanged, for the same list, and by the
// deployment that gave it.
func TestPageTokens(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, _ := newServer()
		token := shownIDs(t, s, caller)[3]
		list := func(s *server.Server, c server.Caller, token string, change func(*a2a.ListTasksRequest)) error {
			req := &a2a.ListTasksRequest{PageSize: 1, PageToken: token}
			if change != nil {
				change(req)
			}
			_, err := s.ListTasks(t.Context(), c, req)
			return err
		}
		if err := list(s, caller, token, nil); err != nil {
			t.Error(err)
		}
		refused := func(what string, err error) {
			t.Helper()
			if !errors.Is(err, a2a.ErrInvalidParams) || !strings.Contains(err.Error(), "pageToken is not one of this list") {
				t.Errorf("%s: %v", what, err)
			}
		}
		other, _ := newServer()
		refused("another store", list(other, caller, token, nil))
		refused("another caller", list(s, server.Caller{Version: "1.0", Owner: "bob"}, token, nil))
		refused("another context", list(s, caller, token, func(r *a2a.ListTasksRequest) { r.ContextID = "c" }))
		refused("another tenant", list(s, caller, token, func(r *a2a.ListTasksRequest) { r.Tenant = "t" }))
		refused("another state", list(s, caller, token, func(r *a2a.ListTasksRequest) { r.Status = a2a.TaskStateCompleted }))

		data, err := base64.RawURLEncoding.DecodeString(token)
		if err != nil {
			t.Fatal(err)
		}
		var fields map[string]any
		if err := json.Unmarshal(data, &fields); err != nil {
			t.Fatal(err)
		}
		for _, name := range slices.Sorted(maps.Keys(fields)) {
			for _, value := range []any{nil, 1, "x"} {
				forged := maps.Clone(fields)
				forged[name] = value
				if data, err = json.Marshal(forged); err != nil {
					t.Fatal(err)
				}
				refused(name, list(s, caller, base64.RawURLEncoding.EncodeToString(data), nil))
			}
		}
	})
}

// TestRestarted sends a message again to a server whose memory is gone. It begins a task with
// another id, so nobody mistakes the events of one task for the other's.
func TestRestarted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		req := message("", "done")
		var ids []a2a.TaskID
		for range 2 {
			l, x := new(memlog.Log), new(recorder)
			ids = append(ids, send(t, instance(l, l, x), copyOf(req), a2a.TaskStateCompleted).ID)
		}
		if ids[0] == ids[1] {
			t.Errorf("both are %s", ids[0])
		}
	})
}
