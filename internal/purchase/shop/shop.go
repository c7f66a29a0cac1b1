package shop

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"sync"
	"time"
)

// Config says how a shop behaves.
type Config struct {
	// Slow is how long it takes to find out what something costs.
	Slow time.Duration
	// Fails has one in so many requests for a quote fail, the first one to begin with. 0 is none.
	Fails int
	// Delivers is how long a delivery takes. A negative one never arrives.
	Delivers time.Duration
	// Client posts to callbacks. It is required.
	Client *http.Client
}

// Shop is a shop. It keeps its books in memory.
type Shop struct {
	Config
	mux *http.ServeMux

	ctx  context.Context // ends with the shop
	end  context.CancelFunc
	jobs sync.WaitGroup // deliveries

	mu     sync.Mutex // guards what follows
	quotes int        // how many were asked for
	books  []*Line
	lines  map[string]*Line // by what and key
}

// Line is a line of the shop's books: something that happened, once, and how often it was asked
// for.
type Line struct {
	What     string `json:"what"` // charge, refund, shipment or delivery
	Number   string `json:"number"`
	Key      string `json:"key"`
	Item     string `json:"item"`
	Price    string `json:"price,omitempty"`
	Requests int    `json:"requests"`
}

// SoldOut is an item that the shop does not have.
const SoldOut = "a unicorn"

// maxItem is the most bytes of an item's name.
const maxItem = 200

// New returns a shop. The caller must call [Shop.Close].
func New(c Config) *Shop {
	s := &Shop{Config: c, mux: http.NewServeMux(), lines: map[string]*Line{}}
	s.ctx, s.end = context.WithCancel(context.Background())
	s.mux.HandleFunc("GET /quotes", s.quote)
	s.mux.HandleFunc("PUT /charges/{key}", s.charge)
	s.mux.HandleFunc("GET /charges/{key}", s.find)
	s.mux.HandleFunc("DELETE /charges/{key}", s.refund)
	s.mux.HandleFunc("PUT /shipments/{key}", s.ship)
	s.mux.HandleFunc("GET /books", func(w http.ResponseWriter, r *http.Request) { answer(w, http.StatusOK, s.Books()) })
	return s
}

// ServeHTTP implements [http.Handler]. The shop's books are at /books.
func (s *Shop) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	r.Body = http.MaxBytesReader(w, r.Body, maxAnswer)
	s.mux.ServeHTTP(w, r)
}

// Close ends the shop. What has not been delivered never will be.
func (s *Shop) Close() {
	s.end()
	s.jobs.Wait()
}

// Books returns the shop's books, in the order in which things happened.
func (s *Shop) Books() []Line {
	s.mu.Lock()
	defer s.mu.Unlock()
	lines := []Line{}
	for _, l := range s.books {
		lines = append(lines, *l)
	}
	return lines
}

// line returns the line of something that is asked for. It happens now if it has not yet. mu is held.
func (s *Shop) line(what, key, item, price string) *Line {
	l := s.lines[what+" "+key]
	if l == nil {
		l = &Line{What: what, Number: fmt.Sprintf("%c-%d", what[0]-'a'+'A', len(s.books)+1), Key: key, Item: item, Price: price}
		s.books, s.lines[what+" "+key] = append(s.books, l), l
	}
	l.Requests++
	return l
}

func (s *Shop) quote(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	busy := s.Fails > 0 && s.quotes%s.Fails == 0
	s.quotes++
	s.mu.Unlock()
	select {
	case <-time.After(s.Slow):
	case <-r.Context().Done():
		return
	}
	item := r.FormValue("item")
	switch {
	case busy:
		refuse(w, http.StatusServiceUnavailable, "the shop is busy")
	case item == "" || item == SoldOut || len(item) > maxItem:
		refuse(w, http.StatusNotFound, "there is no such thing")
	default:
		answer(w, http.StatusOK, Quote{item, fmt.Sprintf("%d.50 EUR", 3+len(item))})
	}
}

func (s *Shop) charge(w http.ResponseWriter, r *http.Request) {
	var q Quote
	if json.NewDecoder(r.Body).Decode(&q) != nil || q.Item == "" || q.Price == "" {
		refuse(w, http.StatusBadRequest, "a charge needs an item and a price")
		return
	}
	key := r.PathValue("key")
	s.mu.Lock()
	var l Line
	refunded := s.lines["refund "+key] != nil
	if !refunded {
		l = *s.line("charge", key, q.Item, q.Price)
	}
	s.mu.Unlock()
	switch {
	case refunded:
		refuse(w, http.StatusGone, "this was given back")
	case l.Item != q.Item || l.Price != q.Price:
		refuse(w, http.StatusConflict, "the key is of another charge")
	default:
		answer(w, http.StatusCreated, Charge{l.Number, key, q})
	}
}

// paid returns the line of a charge that was not given back, or nil. mu is held.
func (s *Shop) paid(key string) *Line {
	if s.lines["refund "+key] != nil {
		return nil
	}
	return s.lines["charge "+key]
}

func (s *Shop) find(w http.ResponseWriter, r *http.Request) {
	key := r.PathValue("key")
	s.mu.Lock()
	l := s.paid(key)
	s.mu.Unlock()
	if l == nil {
		refuse(w, http.StatusNotFound, "there is no such charge")
		return
	}
	answer(w, http.StatusOK, Charge{l.Number, key, Quote{l.Item, l.Price}})
}

func (s *Shop) refund(w http.ResponseWriter, r *http.Request) {
	key := r.PathValue("key")
	s.mu.Lock()
	charge := Line{}
	if l := s.lines["charge "+key]; l != nil {
		charge = *l
	}
	s.line("refund", key, charge.Item, charge.Price)
	s.mu.Unlock()
	answer(w, http.StatusOK, Refund{key, charge.Key != ""})
}

func (s *Shop) ship(w http.ResponseWriter, r *http.Request) {
	var o order
	if json.NewDecoder(r.Body).Decode(&o) != nil {
		refuse(w, http.StatusBadRequest, "a shipment needs a charge and a callback")
		return
	}
	key := r.PathValue("key")
	s.mu.Lock()
	var shipment Line
	paid := s.paid(o.Charge)
	if paid != nil {
		shipment = *s.line("shipment", key, paid.Item, "")
	}
	s.mu.Unlock()
	if paid == nil {
		refuse(w, http.StatusConflict, "this is not paid")
		return
	}
	if shipment.Requests == 1 && s.Delivers >= 0 {
		s.jobs.Go(func() { s.deliver(shipment, o.Callback) })
	}
	answer(w, http.StatusAccepted, Shipment{shipment.Number, key})
}

// deliver delivers a shipment, and posts that to the callback until somebody has taken it.
func (s *Shop) deliver(l Line, callback string) {
	body, _ := json.Marshal(Shipment{l.Number, l.Key})
	for pause := s.Delivers; ; pause = min(max(2*pause, time.Second), time.Minute) {
		select {
		case <-time.After(pause):
		case <-s.ctx.Done():
			return
		}
		s.mu.Lock()
		s.line("delivery", l.Key, l.Item, "")
		s.mu.Unlock()
		if status := s.post(callback, body); status/100 == 2 || status/100 == 4 && status != http.StatusTooManyRequests {
			return
		}
	}
}

// post posts to a callback, and returns the status, or 0.
func (s *Shop) post(callback string, body []byte) int {
	ctx, cancel := context.WithTimeout(s.ctx, answerWithin)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, callback, bytes.NewReader(body))
	if err != nil {
		return http.StatusBadRequest
	}
	r.Header.Set("Content-Type", "application/json")
	resp, err := s.Client.Do(r)
	if err != nil {
		return 0
	}
	resp.Body.Close()
	return resp.StatusCode
}

func answer(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(v) // the client has gone
}

func refuse(w http.ResponseWriter, status int, text string) { http.Error(w, text, status) }
