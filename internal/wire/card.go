package wire

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"

	"github.com/a2aproject/a2a-go/v2/a2a"
	"github.com/a2aproject/a2a-go/v2/a2acompat/a2av0"
)

func (h *handler) card(w http.ResponseWriter, r *http.Request) {
	data, err := h.cardJSON(r)
	if err != nil {
		h.Logger.ErrorContext(r.Context(), "agent card", "error", err)
		http.Error(w, "internal error", http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	_, _ = w.Write(append(data, '\n'))
}

// cardJSON returns the card as clients of both versions read it: that of 1.0, with the fields that 0.3 has elsewhere.
func (h *handler) cardJSON(r *http.Request) ([]byte, error) {
	url := h.BaseURL(r)
	card := *h.Card
	for _, version := range []string{v1.version, v03.version} {
		card.SupportedInterfaces = append(card.SupportedInterfaces, &a2a.AgentInterface{
			URL: url, ProtocolBinding: a2a.TransportProtocolJSONRPC, ProtocolVersion: a2a.ProtocolVersion(version),
		})
	}
	producer, ok := a2av0.NewStaticAgentCardProducer(&card).(interface {
		CardJSON(context.Context) ([]byte, error)
	})
	if !ok {
		return nil, errors.New("the SDK's producer makes no JSON")
	}
	data, err := producer.CardJSON(r.Context())
	if err != nil {
		return nil, err
	}
	// A capability of 0.3 that the SDK's type has no field for: a task keeps the messages of all its states.
	var fields map[string]json.RawMessage
	var capabilities map[string]any
	err = errors.Join(json.Unmarshal(data, &fields), json.Unmarshal(fields["capabilities"], &capabilities))
	if err != nil {
		return nil, err
	}
	capabilities["stateTransitionHistory"] = true
	if fields["capabilities"], err = json.Marshal(capabilities); err != nil {
		return nil, err
	}
	return json.MarshalIndent(fields, "", "  ")
}
