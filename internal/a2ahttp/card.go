package a2ahttp

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"net/http"
	"time"
)

// card serves the public card. Specification 1.0, 8.6: caching.
func (h *handler) card(w http.ResponseWriter, r *http.Request) {
	observationOf(r).operation = "GetAgentCard" // our name: the specification has none
	data, err := h.cards.PublicJSON(h.BaseURL(r))
	h.document(w, r, data, err)
}

func (h *handler) jwks(w http.ResponseWriter, r *http.Request) {
	data, err := h.Signer.JWKS()
	h.document(w, r, data, err)
}

// document serves a public document. Caches may keep it for five minutes, and then ask for it again
// by its ETag. err says why there is none.
func (h *handler) document(w http.ResponseWriter, r *http.Request, data []byte, err error) {
	if err != nil {
		h.Logger.ErrorContext(r.Context(), "request failed", "error", err)
		http.Error(w, "internal error", http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "public, max-age=300")
	w.Header().Set("ETag", fmt.Sprintf(`"%x"`, sha256.Sum256(data)))
	http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(append(data[:len(data):len(data)], '\n')))
}
