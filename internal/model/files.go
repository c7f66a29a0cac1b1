package model

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/a2aproject/a2a-go/v2/a2a"

	"a2alambda/internal/durable"
	"a2alambda/internal/outgoing"
)

const (
	// maxURLs is how many files that are somewhere else are read of a message.
	maxURLs = 16

	// filesWithin is how long the files of a message may take in all.
	filesWithin = 45 * time.Second

	// fileTries is how often a file is tried that cannot be read.
	fileTries = 2
	filePause = time.Second
)

// fetched is what the journal has of a file that was somewhere else: not its bytes, which can have
// megabytes. A run that needs them and has them not reads the file again.
type fetched struct {
	MediaType string `json:"mediaType,omitempty"`
	Bytes     int    `json:"bytes,omitempty"`
	Hash      string `json:"sha256,omitempty"`
	// LeftOut is why the file is not read. The others are empty then.
	LeftOut string `json:"leftOut,omitempty"`
}

// remote is a file that was somewhere else.
type remote struct {
	fetched
	part *a2a.Part
	url  string
	data []byte // nil if this run has not read it
	gone bool   // it was not there any more, or not as it was: this run does not try again
}

// fetch reads the files of a message that are somewhere else, as a step.
func (a *agent) fetch(ctx context.Context, parts []*a2a.Part) error {
	room := maxFiles
	a.remotes = nil
	for _, p := range parts {
		switch content := p.Content.(type) {
		case a2a.URL:
			a.remotes = append(a.remotes, &remote{part: p, url: string(content)})
		case a2a.Raw:
			room -= len(content)
		}
	}
	if len(a.remotes) == 0 {
		return nil
	}
	all, err := durable.Do(ctx, "files", func(ctx context.Context) ([]fetched, error) {
		within, cancel := context.WithTimeout(ctx, filesWithin)
		defer cancel()
		room := room
		var all []fetched
		for _, r := range a.remotes[:min(len(a.remotes), maxURLs)] {
			r.fetched, r.data = fetched{}, nil
			err := r.read(within, a.File, max(room, 0))
			if ctx.Err() != nil {
				return nil, context.Cause(ctx)
			}
			t := r.MediaType
			if err != nil {
				r.leaveOut(whyNot(err, room))
			} else if !strings.HasPrefix(t, "text/") && !a.Model.Reads(t) {
				r.leaveOut("a file of the type " + typeOf(t))
			}
			room -= r.Bytes
			all = append(all, r.fetched)
		}
		return all, nil
	}, durable.Within(filesWithin))
	for i, r := range a.remotes {
		if i < len(all) {
			r.fetched = all[i]
		} else {
			r.leaveOut(fmt.Sprintf("a file that is somewhere else (only %d are read)", maxURLs))
		}
	}
	return err
}

// leaveOut says why the file is not read.
func (r *remote) leaveOut(why string) { r.fetched, r.data = fetched{LeftOut: why}, nil }

// reload reads the files again whose bytes this run has not. One that has changed, or has gone, has
// none then.
func (a *agent) reload(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, filesWithin)
	defer cancel()
	for _, r := range a.remotes {
		if r.LeftOut != "" || r.data != nil || r.gone {
			continue
		}
		was := r.fetched
		if err := r.read(ctx, a.File, was.Bytes); err != nil || r.Hash != was.Hash {
			r.data, r.gone = nil, true
		}
		r.fetched = was
	}
}

// read reads the file, of at most so many bytes.
func (r *remote) read(ctx context.Context, file func(context.Context, string, int) ([]byte, string, error), most int) error {
	var err error
	for try := 1; ; try++ {
		var data []byte
		var mediaType string
		if data, mediaType, err = file(ctx, r.url, most); err == nil {
			sum := sha256.Sum256(data)
			r.data = data
			if t := mediaTypeOf(r.part.MediaType); t != "" {
				mediaType = t
			}
			r.fetched = fetched{MediaType: mediaTypeOf(mediaType), Bytes: len(data), Hash: hex.EncodeToString(sum[:])}
			return nil
		}
		if errors.Is(err, outgoing.ErrBlocked) || errors.Is(err, outgoing.ErrTooLarge) || try == fileTries {
			return err
		}
		select {
		case <-ctx.Done():
			return err
		case <-time.After(filePause):
		}
	}
}

// whyNot says in words why a file is not read.
func whyNot(err error, room int) string {
	switch {
	case errors.Is(err, outgoing.ErrBlocked):
		return "a file that is somewhere else"
	case errors.Is(err, outgoing.ErrTooLarge):
		return fmt.Sprintf("a file of more than %d KB that is somewhere else (all files together may have %d KB)", max(room, 0)>>10, maxFiles>>10)
	}
	return "a file that is somewhere else and cannot be read"
}

// textGone is what the model reads of a file that has changed, or has gone, since the message came.
const textGone = "[The file %s was there when the message came, and is there no more as it was.]"
