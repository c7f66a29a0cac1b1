// Package shop is the shop of the purchase agent: an HTTP API, its client, and a shop for this
// machine, which keeps its books in memory.
//
//	GET    /quotes?item=ITEM   200 {"item","price"}
//	PUT    /charges/KEY        201 {"number","key","item","price"} for {"item","price"}
//	GET    /charges/KEY        200, as above
//	DELETE /charges/KEY        200 {"key","refunded"}: gives the money back. Later charges are refused.
//	PUT    /shipments/KEY      202 {"number","key"} for {"charge","callback"}
//
// A key is chosen by the client. A PUT or DELETE with the same key again gets the same answer, and
// does nothing more. The shop posts to the callback when the thing has been delivered. It answers
// 404 to what it does not know, 409 and 410 to what cannot be done any more, and 503 if it is busy.
package shop

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"a2alambda/internal/outgoing"
)

// Quote is what something costs.
type Quote struct {
	Item  string `json:"item"`
	Price string `json:"price"`
}

// Charge is a payment.
type Charge struct {
	Number string `json:"number"`
	Key    string `json:"key"`
	Quote
}

// Refund says whether a charge with the key was paid back. There may have been none.
type Refund struct {
	Key      string `json:"key"`
	Refunded bool   `json:"refunded"`
}

// Shipment is something on its way.
type Shipment struct {
	Number string `json:"number"`
	Key    string `json:"key"`
}

// order orders a shipment.
type order struct {
	Charge   string `json:"charge"` // its key
	Callback string `json:"callback"`
}

// Error is an answer of the shop other than the one that was hoped for.
type Error struct {
	Status int
	Text   string
}

func (e *Error) Error() string { return fmt.Sprintf("the shop says %d: %s", e.Status, e.Text) }

// Refused reports whether the shop will say the same again.
func (e *Error) Refused() bool {
	return e.Status/100 == 4 && e.Status != http.StatusRequestTimeout && e.Status != http.StatusTooManyRequests
}

const (
	// answerWithin is how long the shop may take to answer.
	answerWithin = 30 * time.Second

	// maxAnswer is the most bytes of an answer.
	maxAnswer = 64 << 10
)

// Client is a client of the shop at a URL.
type Client struct {
	URL  string
	HTTP *http.Client
}

// Quote asks for the price of an item.
func (c *Client) Quote(ctx context.Context, item string) (q Quote, err error) {
	return q, c.do(ctx, http.MethodGet, "quotes?item="+url.QueryEscape(item), nil, &q)
}

// Charge pays.
func (c *Client) Charge(ctx context.Context, key string, q Quote) (paid Charge, err error) {
	return paid, c.do(ctx, http.MethodPut, "charges/"+url.PathEscape(key), q, &paid)
}

// Find returns the charge with a key.
func (c *Client) Find(ctx context.Context, key string) (paid Charge, err error) {
	return paid, c.do(ctx, http.MethodGet, "charges/"+url.PathEscape(key), nil, &paid)
}

// Refund pays back the charge with a key, if there is one, and makes sure that there will be none.
func (c *Client) Refund(ctx context.Context, key string) (r Refund, err error) {
	return r, c.do(ctx, http.MethodDelete, "charges/"+url.PathEscape(key), nil, &r)
}

// Ship has what was paid sent. The shop posts to the callback's URL when it is there.
func (c *Client) Ship(ctx context.Context, key string, paid Charge, callback string) (s Shipment, err error) {
	return s, c.do(ctx, http.MethodPut, "shipments/"+url.PathEscape(key), order{paid.Key, callback}, &s)
}

// do sends a request with a body, which may be nil, and decodes the answer.
func (c *Client) do(ctx context.Context, method, path string, body, answer any) error {
	ctx, cancel := context.WithTimeout(ctx, answerWithin)
	defer cancel()
	var data []byte
	if body != nil {
		var err error
		if data, err = json.Marshal(body); err != nil {
			return err
		}
	}
	r, err := http.NewRequestWithContext(ctx, method, strings.TrimSuffix(c.URL, "/")+"/"+path, bytes.NewReader(data))
	if err != nil {
		return err
	}
	r.Header.Set("Content-Type", "application/json")
	resp, err := c.HTTP.Do(r)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	data, err = io.ReadAll(io.LimitReader(resp.Body, maxAnswer))
	if err != nil {
		return err
	}
	if resp.StatusCode/100 != 2 {
		return &Error{resp.StatusCode, strings.TrimSpace(string(data))}
	}
	return json.Unmarshal(data, answer)
}

// Open returns a client of the shop at a URL, which must be https unless its host is an address or
// localhost. It sends requests nowhere else.
func Open(at string) (*Client, error) {
	u, err := url.Parse(at)
	if err != nil {
		return nil, errors.New("it is malformed")
	}
	if u.RawQuery != "" || u.Fragment != "" || u.User != nil {
		return nil, errors.New("it must have no query and no name of a user")
	}
	guard := outgoing.Guard{}.With(u)
	if err := guard.CheckURL(at); err != nil {
		return nil, err
	}
	return &Client{at, guard.Client()}, nil
}
