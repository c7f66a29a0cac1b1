package model

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"unicode"
	"unicode/utf16"

	"github.com/a2aproject/a2a-go/v2/a2a"

	"a2alambda/internal/durable"
	"a2alambda/internal/jsonline"
)

// The data of a question and of its answer. A client answers with a data part
//
//	{"approved": true}
//	{"approved": {"ID of a call": true, "ID of another": false}}
//
// or with a text, of which a clear yes is one, and everything else is what the user says instead.
const (
	approvalKey = "approval"
	approvedKey = "approved"
)

// maxShown is the most bytes of a call's arguments in words. The data part has them all.
const maxShown = 2 << 10

// verdict is what the user says of the calls that need approval.
type verdict struct {
	all   bool
	some  map[string]bool // by the call's id; nil if all are meant
	not   bool            // the answer is a no, or cannot be read
	words string          // what the user said beside that
}

func (v verdict) allows(id string) bool {
	switch {
	case v.not:
		return false
	case v.some != nil:
		return v.some[id]
	}
	return v.all
}

// approve asks the user for those calls that need it, all in one question.
func (a *agent) approve(ctx context.Context, calls []planned) (verdict, error) {
	var asks []planned
	for _, p := range calls {
		if p.Approve && p.Wrong == "" {
			asks = append(asks, p)
		}
	}
	if len(asks) == 0 {
		return verdict{}, nil
	}
	answer, err := durable.Ask(ctx, "approval", approvalParts(asks)...)
	if err != nil {
		return verdict{}, err
	}
	return verdictIn(answer.Parts), nil
}

func approvalParts(asks []planned) []*a2a.Part {
	var words strings.Builder
	words.WriteString("May I do this? Answer yes or no.\n")
	calls := make([]any, len(asks))
	for i, p := range asks {
		fmt.Fprintf(&words, "\n- %s %s", p.Name, code(cut(readable(p.Args))))
		one := map[string]any{"id": p.ID, "tool": p.Name, "arguments": valueOf(p.Args)}
		if p.Asks != "" {
			asks, _ := json.Marshal(p.Asks)
			fmt.Fprintf(&words, ", to answer %s", code(cut(readable(asks))))
			one["question"] = p.Asks
		}
		calls[i] = one
	}
	data := a2a.NewDataPart(map[string]any{approvalKey: map[string]any{"calls": calls}})
	return []*a2a.Part{a2a.NewTextPart(words.String()), data}
}

// cut returns a text that is short enough to be shown in words.
func cut(text string) string {
	if len(text) > maxShown {
		return strings.ToValidUTF8(text[:maxShown], "") + fmt.Sprintf("… (%d KB in all)", len(text)>>10)
	}
	return text
}

// readable returns JSON without the escapes that HTML would need, and with those of characters that
// are not seen, or turn the direction of what is: the user must see what is sent.
// https://www.unicode.org/reports/tr36/#Bidirectional_Text_Spoofing
func readable(data json.RawMessage) string {
	plain, err := jsonline.Marshal(valueOf(data))
	if err != nil {
		return string(data)
	}
	var b strings.Builder
	for _, r := range string(plain) {
		switch hi, lo := utf16.EncodeRune(r); {
		case r == ' ', unicode.IsGraphic(r) && !unicode.In(r, unicode.Zs, unicode.Other_Default_Ignorable_Code_Point, unicode.Variation_Selector):
			b.WriteRune(r)
		case r > 0xffff:
			fmt.Fprintf(&b, `\u%04x\u%04x`, hi, lo)
		default:
			fmt.Fprintf(&b, `\u%04x`, r)
		}
	}
	return b.String()
}

// code returns a text as code in Markdown: clients that show Markdown show it as it is.
func code(text string) string {
	longest, run := 0, 0
	for _, r := range text {
		if run++; r != '`' {
			run = 0
		}
		longest = max(longest, run)
	}
	fence := strings.Repeat("`", longest+1)
	if longest > 0 {
		text = " " + text + " "
	}
	return fence + text + fence
}

// valueOf returns the value of JSON. Numbers keep their digits.
func valueOf(data json.RawMessage) (v any) {
	d := json.NewDecoder(strings.NewReader(string(data)))
	d.UseNumber()
	if d.Decode(&v) != nil {
		return nil
	}
	return v
}

// yes are the texts that are a yes, in small letters, without what stands around them.
var yes = []string{"yes", "y", "ok", "okay", "yes please", "yes, please", "approve", "approved", "allow", "go ahead", "yes, go ahead"}

// no are those that are nothing but a no.
var no = []string{"no", "n", "deny", "denied", "refuse", "refused", "reject", "don't", "no, thanks", "no thanks"}

// verdictIn returns what an answer says. Where its parts do not agree, it is a no.
func verdictIn(parts []*a2a.Part) (v verdict) {
	var texts []string
	decided := false
	for _, p := range parts {
		switch content := p.Content.(type) {
		case a2a.Text:
			texts = append(texts, string(content))
		case a2a.Data:
			fields, _ := content.Value.(map[string]any)
			approved, has := fields[approvedKey]
			if !has {
				continue
			}
			decided = true
			switch approved := approved.(type) {
			case bool:
				v.all, v.not = approved, v.not || !approved
			case map[string]any:
				v.some = agreed(v.some, approved)
			default:
				v.not = true
			}
		}
	}
	words := strings.TrimSpace(strings.Join(texts, "\n"))
	plain := strings.ToLower(strings.Trim(words, " \t\r\n.!\"'"))
	switch {
	case slices.Contains(yes, plain):
		v.all = v.all || !decided
	case slices.Contains(no, plain):
		v.not = true
	default:
		v.words = words
	}
	return v
}

// agreed adds what a part says of calls to what the parts before say: a no stays one.
func agreed(before map[string]bool, approved map[string]any) map[string]bool {
	all := map[string]bool{}
	maps.Copy(all, before)
	for id, is := range approved {
		was, known := before[id]
		all[id] = is == true && (was || !known)
	}
	return all
}

// remark is what the model is told of what the user said with an approval.
func (v verdict) remark() string {
	return "\nThe user has approved this call, and said: " + v.words
}

// refusal is what the model is told of a call that the user has not approved.
func (v verdict) refusal() string {
	text := "The user has not approved this call. It was not made."
	if v.words != "" {
		text += " The user said: " + v.words
	}
	return text
}
