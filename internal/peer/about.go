package peer

import (
	"context"
	"strings"
	"time"

	"github.com/a2aproject/a2a-go/v2/a2a"
)

const (
	// maxAbout is the most bytes of what a card says about an agent.
	maxAbout = 2 << 10

	// aboutWithin is how long a peer may take to say it. One that does not is asked again after
	// cardFor.
	aboutWithin = 2 * time.Second
)

// About returns what the peer's card says about it: its description and its skills, a line each. It
// is "" if the card cannot be read soon.
func (p *Peer) About(ctx context.Context) string {
	p.mu.Lock()
	known, vain := p.about, !p.asked.IsZero() && time.Since(p.asked) < cardFor
	fresh := time.Now().Before(p.until)
	p.mu.Unlock()
	if fresh || vain {
		return known
	}
	ctx, cancel := context.WithTimeout(ctx, aboutWithin)
	defer cancel()
	_, err := p.connect(ctx)
	p.mu.Lock()
	defer p.mu.Unlock()
	p.asked = time.Time{}
	if err != nil {
		p.asked = time.Now()
	}
	return p.about
}

func about(card *a2a.AgentCard) string {
	var b strings.Builder
	b.WriteString(card.Description)
	for _, s := range card.Skills {
		b.WriteString("\n- " + s.Name)
		if s.Description != "" && s.Description != s.Name {
			b.WriteString(": " + s.Description)
		}
	}
	text := strings.TrimSpace(b.String())
	if len(text) > maxAbout {
		text = strings.ToValidUTF8(text[:maxAbout], "")
	}
	return text
}
