// Package old lets package peer speak A2A 0.3, by the transports of the SDK. Whoever calls peers
// imports it. It is apart because these transports bring gRPC with them, which makes a binary 10 MB
// larger: functions that call nobody do not carry it.
package old

import (
	"net/http"

	"github.com/a2aproject/a2a-go/v2/a2aclient"
	"github.com/a2aproject/a2a-go/v2/a2acompat/a2av0"

	"a2alambda/internal/peer"
)

func init() {
	peer.Register(peer.Old{
		ParseCard: a2av0.NewAgentCardParser(),
		Version:   a2av0.Version,
		Transports: func(c *http.Client) []a2aclient.FactoryOption {
			return []a2aclient.FactoryOption{
				a2av0.WithJSONRPCTransport(a2av0.JSONRPCTransportConfig{Client: c}),
				a2av0.WithRESTTransport(a2av0.RESTTransportConfig{Client: c}),
			}
		},
	})
}
