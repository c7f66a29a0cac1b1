package mcp

import (
	"encoding/json"
	"fmt"
	"mime"
	"path"
	"slices"
	"strings"

	"github.com/a2aproject/a2a-go/v2/a2a"
	sdk "github.com/modelcontextprotocol/go-sdk/mcp"

	"a2alambda/internal/tool"
)

const (
	// maxText is the most bytes of a result's text, which the model reads in each later round.
	maxText = 64 << 10
	// maxParts is the most bytes of a result's parts, as they are in JSON, and maxContents how many
	// there are.
	maxParts    = 2 << 20
	maxContents = 100

	// maxMediaType is the most bytes of a media type.
	maxMediaType = 200
)

// resultOf returns what a tool said. Its text has the texts, and a line for each other content; the
// parts have that content.
func resultOf(r *sdk.CallToolResult, redact func(string) string) tool.Result {
	b := builder{redact: redact, left: maxParts}
	for _, c := range r.Content {
		b.content(c)
	}
	if v := r.StructuredContent; v != nil {
		b.structured(v)
	}
	switch {
	case r.NeedsInput():
		b.result.Failed = true
		b.say("The tool asks for input while it runs, which this agent does not give.")
	case b.text.Len() == 0:
		b.say("The tool has answered nothing.")
	}
	b.result.Failed = b.result.Failed || r.IsError
	b.result.Text = redact(b.text.String())
	if n := len(b.result.Text); n > maxText {
		b.result.Text = cut(b.result.Text, maxText)
		b.result.Text += fmt.Sprintf("\n[cut off: %d more bytes]", n-len(b.result.Text))
	}
	return b.result
}

// builder makes a result.
type builder struct {
	redact func(string) string
	result tool.Result
	text   strings.Builder
	said   bool // some of the text is the tool's own
	left   int  // bytes for parts
}

// say adds a line.
func (b *builder) say(text string) {
	if b.text.Len() > 0 {
		b.text.WriteByte('\n')
	}
	b.text.WriteString(text)
}

// part adds a part, if there is room for it, and says what it is.
func (b *builder) part(p *a2a.Part, what string) {
	if len(b.result.Parts) == maxContents {
		b.say(fmt.Sprintf("[%s, left out: too many]", what))
		return
	}
	p.Filename = b.redact(p.Filename)
	data, err := json.Marshal(p)
	if err != nil || len(data) > b.left {
		b.say(fmt.Sprintf("[%s, left out: too large]", what))
		return
	}
	b.left -= len(data)
	b.result.Parts = append(b.result.Parts, p)
	if what != "" {
		b.say("[" + what + "]")
	}
}

func (b *builder) content(c sdk.Content) {
	switch c := c.(type) {
	case *sdk.TextContent:
		b.said = true
		b.say(c.Text)
	case *sdk.ImageContent:
		b.raw(c.Data, c.MIMEType, "", "image")
	case *sdk.AudioContent:
		b.raw(c.Data, c.MIMEType, "", "audio")
	case *sdk.ResourceLink:
		b.link(c)
	case *sdk.EmbeddedResource:
		b.resource(c.Resource)
	default:
		b.say("[content of a kind that this agent does not know]")
	}
}

// mediaType returns what a server says if it is a media type.
func (b *builder) mediaType(said string) string {
	if _, _, err := mime.ParseMediaType(said); err != nil || len(said) > maxMediaType || strings.ContainsAny(said, "\r\n") || b.redact(said) != said {
		return ""
	}
	return said
}

// words joins what is there of the words.
func words(all ...string) string {
	return strings.Join(slices.DeleteFunc(all, func(w string) bool { return w == "" }), " ")
}

func (b *builder) raw(data []byte, said, uri, kind string) {
	mediaType := b.mediaType(said)
	p := a2a.NewRawPart([]byte(b.redact(string(data))))
	p.MediaType = mediaType
	if uri != "" {
		p.Filename = path.Base(uri)
	}
	b.part(p, fmt.Sprintf("%s, %d bytes", words(kind, uri, mediaType), len(data)))
}

// link adds a link. The model reads it; a client can follow one of the web.
func (b *builder) link(c *sdk.ResourceLink) {
	mediaType := b.mediaType(c.MIMEType)
	what := words("link", c.Name, c.URI, mediaType)
	if c.Description != "" {
		what += ": " + c.Description
	}
	if !strings.HasPrefix(c.URI, "https://") && !strings.HasPrefix(c.URI, "http://") {
		b.say("[" + what + "]")
		return
	}
	p := a2a.NewFileURLPart(a2a.URL(b.redact(c.URI)), mediaType)
	p.Filename = c.Name
	b.part(p, what)
}

func (b *builder) resource(r *sdk.ResourceContents) {
	switch {
	case r == nil:
	case r.Blob != nil:
		b.raw(r.Blob, r.MIMEType, r.URI, "resource")
	default:
		b.said = true
		b.say("[" + words("resource", r.URI, b.mediaType(r.MIMEType)) + "]")
		b.say(r.Text)
	}
}

// structured adds structured content. MCP has servers say it as text, too, for models; where one
// does not, the text has the JSON.
func (b *builder) structured(v any) {
	v = redacted(v, b.redact)
	if !b.said {
		data, err := json.Marshal(v)
		if err != nil {
			return
		}
		b.say(string(data))
	}
	b.part(a2a.NewDataPart(v), "")
}

// redacted returns a value of JSON without secrets.
func redacted(v any, redact func(string) string) any {
	switch v := v.(type) {
	case string:
		return redact(v)
	case []any:
		for i := range v {
			v[i] = redacted(v[i], redact)
		}
	case map[string]any:
		plain := make(map[string]any, len(v))
		for k, x := range v {
			plain[redact(k)] = redacted(x, redact)
		}
		return plain
	}
	return v
}
