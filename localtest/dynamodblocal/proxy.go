package dynamodblocal

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

// Metered returns an endpoint that passes requests on to the DynamoDB at endpoint, and their meter:
// for functions, which are other processes. It counts as [NewMeter] does.
func Metered(tb testing.TB, endpoint string) (url string, m *Meter) {
	tb.Helper()
	m = new(Meter)
	transport := &http.Transport{DisableCompression: true, MaxIdleConnsPerHost: 100}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			return // the function is dead
		}
		_, operation, _ := strings.Cut(r.Header.Get("X-Amz-Target"), ".")
		// A member that a request has twice counts as it comes last. DynamoDB Local checks no signature.
		body = append(bytes.TrimSuffix(bytes.TrimSpace(body), []byte("}")), `,"ReturnConsumedCapacity":"TOTAL"}`...)
		out, err := http.NewRequestWithContext(r.Context(), r.Method, endpoint+r.URL.Path, bytes.NewReader(body))
		if err != nil {
			tb.Error(err)
			return
		}
		out.Header = r.Header.Clone()
		resp, err := transport.RoundTrip(out)
		if err != nil {
			panic(http.ErrAbortHandler) // the function has gone, or the engine
		}
		defer resp.Body.Close()
		answer, err := io.ReadAll(resp.Body)
		if err != nil {
			panic(http.ErrAbortHandler)
		}
		u, ok := consumed(operation, body, resp.StatusCode, answer)
		if !ok {
			tb.Errorf("the meter has no price for %s: %d %.200s", operation, resp.StatusCode, answer)
		}
		m.add(u)
		for name, values := range resp.Header {
			w.Header()[name] = values
		}
		w.WriteHeader(resp.StatusCode)
		_, _ = w.Write(answer)
	}))
	tb.Cleanup(server.Close)
	tb.Cleanup(transport.CloseIdleConnections)
	return server.URL, m
}

// consumed returns what a request has cost.
func consumed(operation string, request []byte, status int, answer []byte) (u Units, ok bool) {
	var in struct {
		ConsistentRead bool
		RequestItems   map[string]struct{ Keys []json.RawMessage }
		TransactItems  []json.RawMessage
		Statements     []json.RawMessage
	}
	var out struct {
		Type             string `json:"__type"`
		ConsumedCapacity json.RawMessage
	}
	if json.Unmarshal(request, &in) != nil || json.Unmarshal(answer, &out) != nil {
		return u, false
	}
	u.Requests = 1
	least := 0.5
	if in.ConsistentRead {
		least = 1
	}
	var one struct{ CapacityUnits float64 }
	if operation != "BatchGetItem" && operation != "TransactWriteItems" && operation != "BatchExecuteStatement" && len(out.ConsumedCapacity) > 0 && json.Unmarshal(out.ConsumedCapacity, &one) != nil {
		return u, false
	}
	done := status == http.StatusOK
	switch operation {
	case "PutItem", "UpdateItem", "DeleteItem":
		u.Writes = 1
		if done {
			u.Write = max(1, one.CapacityUnits)
		} else if strings.HasSuffix(out.Type, "ConditionalCheckFailedException") {
			u.Write = 1 // more if the stored item is larger than 1 KB; most are not
		}
	case "TransactWriteItems": // see [NewMeter]
		var tables []struct{ CapacityUnits float64 }
		if len(out.ConsumedCapacity) > 0 && json.Unmarshal(out.ConsumedCapacity, &tables) != nil {
			return u, false
		}
		u.Writes, u.Write = len(in.TransactItems), 2*float64(len(in.TransactItems))
		if done && len(tables) == 1 {
			u.Write = max(u.Write, tables[0].CapacityUnits)
		}
	case "BatchExecuteStatement": // see [NewMeter]
		var consumed []struct{ CapacityUnits float64 }
		if len(out.ConsumedCapacity) > 0 && json.Unmarshal(out.ConsumedCapacity, &consumed) != nil {
			return u, false
		}
		if u.Writes = len(in.Statements); done {
			for _, c := range consumed {
				u.Write += c.CapacityUnits
			}
			u.Write = max(u.Write, float64(u.Writes))
		}
	case "GetItem", "Query":
		if done {
			u.Read = max(least, one.CapacityUnits)
		}
	case "BatchGetItem":
		for _, of := range in.RequestItems {
			u.Read += 0.5 * float64(len(of.Keys))
		}
	default:
		return u, false
	}
	return u, true
}
