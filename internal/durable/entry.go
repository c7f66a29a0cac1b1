package durable

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

// Kind says what an entry of the journal is about.
type Kind string

// The kinds of entries.
const (
	// Done has the result of a call. It is final.
	Done Kind = "done"
	// Failed has the error of a call. It is final, unless an Again follows.
	Failed Kind = "failed"
	// Began says that an attempt of a step begins. For a step with Once it is always there, for
	// others from the second attempt on, if the one before was cut off by a crash.
	Began Kind = "began"
	// Tried has the error of an attempt that another one follows, not before Due.
	Tried Kind = "tried"
	// Cut says that an attempt ended with its run, as in a hand-over.
	Cut Kind = "cut"
	// Waits says that a call waits, until Due at the latest. Memo is the call's own.
	Waits Kind = "waits"
	// Noted is a note of a call for later runs, in Memo.
	Noted Kind = "noted"
	// Canceled says that the call returned ErrCanceled. Due is when the time to undo is over.
	Canceled Kind = "canceled"
	// Parked says that the code did not do what the journal says. It belongs to no call. Due is
	// when the task is tried again.
	Parked Kind = "parked"
	// Again takes a recorded error of a call back, by an operator's wish: the call is made anew.
	// Attempt is the last attempt that was made before.
	Again Kind = "again"
	// Operated says what an operator did that gives no call an outcome. Memo has the command, and
	// Name is the call that it was about, if there is one.
	Operated Kind = "operated"
)

// Type says which function a call is of.
type Type string

// The types of calls.
const (
	TypeDo       Type = "do"
	TypeOnce     Type = "once"
	TypeSleep    Type = "sleep"
	TypeAsk      Type = "ask"
	TypeCallback Type = "callback"
	TypeCall     Type = "call"
	TypeVersion  Type = "version"
)

// Entry is an entry of the journal. It is stored as JSON. Times are in milliseconds since 1970.
type Entry struct {
	Kind Kind `json:"k"`
	// Type, Branch and Name are those of the call: Branch is the path of its branch, "" for the
	// root, and Name is its full name. They are empty if the entry belongs to no call.
	Type   Type   `json:"y,omitempty"`
	Branch string `json:"b,omitempty"`
	Name   string `json:"n,omitempty"`
	Time   int64  `json:"t"`
	// Attempt is the number of the attempt, from 1. Took is how long it took, in milliseconds.
	Attempt int   `json:"a,omitempty"`
	Took    int64 `json:"d,omitempty"`
	Due     int64 `json:"u,omitempty"`
	// Result is the result of the call, as JSON. Loose says that encoding it again after decoding
	// gives other JSON, so that nobody can compare it.
	Result json.RawMessage `json:"r,omitempty"`
	Loose  bool            `json:"l,omitempty"`
	Error  *Recorded       `json:"e,omitempty"`
	// Memo is what the call keeps for itself.
	Memo json.RawMessage `json:"m,omitempty"`
	// At is where the call's branch was when the call began. It is in the first entry of a call.
	At Position `json:"p,omitzero"`
	// Seq is the number of the last event that was in the log for sure before the entry. Grown has
	// the branches that have emitted events outside of steps since the entry before, and where they
	// are now. Wrote has the artifacts that were first written since, and the owner of the event.
	Seq   int64               `json:"s,omitempty"`
	Grown map[string]Position `json:"g,omitempty"`
	Wrote map[string]string   `json:"w,omitempty"`
	// By is who an operator's entry is from. Replaces is the place of the entry that it replaces, 0 if
	// there is none.
	By       string `json:"o,omitempty"`
	Replaces int64  `json:"i,omitempty"`
	// Mismatch is why the task is parked.
	Mismatch *Mismatch `json:"x,omitempty"`
}

// Position is how far a branch has come with its events outside of steps: their number, and a hash
// over their kinds, states, artifacts and appends.
type Position struct {
	Count int64  `json:"c"`
	Hash  uint64 `json:"h"`
}

// Mismatch says where the code does not do what the journal says.
type Mismatch struct {
	// Step is the full name of the call, or what else differs.
	Step     string `json:"step"`
	Expected string `json:"expected"`
	Got      string `json:"got"`
	// Code is the version of the code.
	Code string `json:"code,omitempty"`
}

func (m *Mismatch) Error() string {
	return fmt.Sprintf("the code has changed: at %q the journal has %s, the code has %s", m.Step, m.Expected, m.Got)
}

const (
	// MaxName is the most bytes of a name.
	MaxName = 128
	// MaxPath is the most bytes of a full name.
	MaxPath = 256
	// MaxResult is the most bytes of a result, as JSON. The store keeps one of more than 380 KB, as
	// deflated, in parts.
	MaxResult = 10<<20 - 64<<10
)

// Decode decodes an entry. It returns an error if the entry is not one that this package makes.
func Decode(data []byte) (Entry, error) {
	var e Entry
	d := json.NewDecoder(bytes.NewReader(data))
	d.DisallowUnknownFields()
	if err := d.Decode(&e); err != nil {
		return Entry{}, fmt.Errorf("journal entry: %w", err)
	}
	if _, err := d.Token(); err != io.EOF {
		return Entry{}, errors.New("journal entry: something follows it")
	}
	return e, e.check()
}

func (e *Entry) check() error {
	call := e.Name != ""
	switch e.Kind {
	case Done, Failed, Began, Tried, Cut, Waits, Noted, Canceled, Again:
	case Parked:
		if call || e.Mismatch == nil {
			return errors.New("journal entry: a parked task without a mismatch, or with a name")
		}
		return nil
	case Operated:
		if e.By == "" || e.Type != "" || e.Branch != "" {
			return errors.New("journal entry: an operator's command of nobody, or of a call")
		}
		return checkPath(e.Name)
	default:
		return fmt.Errorf("journal entry: unknown kind %q", e.Kind)
	}
	switch e.Type {
	case TypeDo, TypeOnce, TypeSleep, TypeAsk, TypeCallback, TypeCall, TypeVersion:
	default:
		return fmt.Errorf("journal entry: unknown type %q", e.Type)
	}
	switch {
	case !call || len(e.Name) > MaxPath || !utf8.ValidString(e.Name):
		return errors.New("journal entry: no name, or one that no call can have")
	case e.Branch != "" && !strings.HasPrefix(e.Name, e.Branch+"/") && e.Type != TypeCallback: // which another branch may wait for
		return fmt.Errorf("journal entry: %q is not in branch %q", e.Name, e.Branch)
	case (e.Kind == Failed || e.Kind == Tried) && e.Error == nil:
		return errors.New("journal entry: a failure without an error")
	case e.Attempt < 0 || e.Seq < 0 || e.At.Count < 0 || e.Replaces < 0:
		return errors.New("journal entry: a negative number")
	case e.Kind == Again && e.By == "":
		return errors.New("journal entry: an error that nobody takes back")
	}
	if err := checkPath(e.Name); err != nil {
		return err
	}
	for _, p := range e.Grown {
		if p.Count < 0 {
			return errors.New("journal entry: a negative number")
		}
	}
	return nil
}

// checkPath returns an error if a full name is not one that a call can have. It may be empty.
func checkPath(full string) error {
	if full == "" {
		return nil
	}
	if len(full) > MaxPath {
		return fmt.Errorf("journal entry: a name of %d bytes", len(full))
	}
	for _, name := range strings.Split(full, "/") {
		if err := checkName(name); err != nil {
			return fmt.Errorf("journal entry: %w", err)
		}
	}
	return nil
}

// encode returns the entry as JSON.
func (e *Entry) encode() ([]byte, error) { return json.Marshal(e) }

// due returns the time in Due, zero if there is none.
func (e *Entry) due() time.Time {
	if e.Due == 0 {
		return time.Time{}
	}
	return time.UnixMilli(e.Due)
}

// checkName returns an error if a name is not one that a call, a branch or a scope can have.
func checkName(name string) error {
	switch {
	case name == "":
		return errors.New("a name is empty")
	case len(name) > MaxName:
		return fmt.Errorf("the name %.32q… has %d bytes: at most %d are allowed", name, len(name), MaxName)
	case !utf8.ValidString(name) || strings.ContainsFunc(name, unicode.IsControl):
		return fmt.Errorf("the name %q has control characters, or is not UTF-8", name)
	case strings.Contains(name, "/"):
		return fmt.Errorf("the name %q has a \"/\": use Scope", name)
	}
	return nil
}

// cut returns at most maxErrorText bytes of a text, as valid UTF-8.
func cut(s string) string {
	if len(s) > maxErrorText {
		s = s[:maxErrorText] + "…"
	}
	return strings.ToValidUTF8(s, "\uFFFD")
}
