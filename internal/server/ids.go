package server

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
	"io"

	"github.com/google/uuid"

	"github.com/a2aproject/a2a-go/v2/a2a"

	"a2alambda/internal/tasklog"
)

// keyed is the deployment's secret. It makes what callers see and what follows from their data:
// ids, and the seals of page tokens. Without the secret, nobody can find out by trying whose an id
// is, or from which text it was made.
type keyed []byte

// keyed returns the deployment's secret.
func (s *Server) keyed(ctx context.Context) (keyed, error) { return s.Store.Secret(ctx) }

// mac returns the HMAC-SHA-256 (RFC 2104) of the strings, for one use. It depends on where one
// string ends and the next begins.
func (k keyed) mac(use string, of ...string) []byte {
	h := hmac.New(sha256.New, k)
	for _, s := range append([]string{use}, of...) {
		_ = binary.Write(h, binary.BigEndian, uint64(len(s))) // a hash takes all
		_, _ = io.WriteString(h, s)
	}
	return h.Sum(nil)
}

// id returns an id, in the form of a UUID, that follows from the scope and the strings. Its first
// 32 bits follow from the scope alone.
func (k keyed) id(scope tasklog.Scope, from ...string) string {
	id := uuid.UUID(k.mac("id", append([]string{scope.Owner, scope.Tenant}, from...)...)[:16])
	copy(id[:], k.prefix(scope))
	id[6], id[8] = id[6]&0x0f|0x80, id[8]&0x3f|0x80 // version 8: RFC 9562, 5.8
	return id.String()
}

// prefix returns the first bytes of all ids of a scope. By them a server recognizes a foreign id
// before it reads anything. They are no proof: after loading a task, a server compares its scope.
func (k keyed) prefix(scope tasklog.Scope) []byte {
	const scopeBytes = 4
	return k.mac("scope", scope.Owner, scope.Tenant)[:scopeBytes]
}

// mayOwn reports whether the task with that id may belong to the scope.
func (k keyed) mayOwn(scope tasklog.Scope, id a2a.TaskID) bool {
	u, err := uuid.Parse(string(id))
	return err == nil && u.String() == string(id) && bytes.HasPrefix(u[:], k.prefix(scope))
}
