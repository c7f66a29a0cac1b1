package a2ahttp

import (
	"net/http"

	"github.com/a2aproject/a2a-go/v2/a2a"

	"a2alambda/internal/a2a03"
	"a2alambda/internal/dialect"
	"a2alambda/internal/push"
)

// errNotification is the answer to a notification. It has a status that no webhook answers with if
// it agrees to get notifications.
var errNotification = &httpError{
	a2a.NewError(a2a.ErrInvalidRequest, "the request has the header "+push.EventHeader+
		", which push notifications have: an agent is no webhook"),
	http.StatusBadRequest, "", "",
}

// IsNotification reports whether the request is a push notification, of this agent or one like it.
// A webhook at an agent's own URL would make each event begin further work, without end. A path
// that is meant for notifications has to be an exception here.
func IsNotification(r *http.Request) bool {
	_, has := r.Header[http.CanonicalHeaderKey(push.EventHeader)]
	return has
}

// refuse answers a notification, in the shape of the binding that the path belongs to. It costs
// nothing: the caller is not authenticated, and the body is not read.
func (h *handler) refuse(w http.ResponseWriter, r *http.Request, path []string) {
	version, _ := versionOf(r)
	q := &request{binding: rpc{id: []byte("null")}, dialect: dialect.V1}
	if len(path) > 0 {
		q.binding = rest{path}
		q.dialect, _, _ = find(path, version)
	} else if version == a2a03.JSONRPC.Version {
		q.dialect = a2a03.JSONRPC
	}
	w.Header().Set("Vary", varies)
	observationOf(r).binding = q.binding.name()
	(&jsonResponder{h, w, r, q}).fail(errNotification)
}
