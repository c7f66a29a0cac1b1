package model_test

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"sync"
	"testing"

	"github.com/a2aproject/a2a-go/v2/a2a"

	"a2alambda/internal/durable/durabletest"
	"a2alambda/internal/model"
	"a2alambda/internal/outgoing"
)

// elsewhere are files somewhere else, by their URL.
func elsewhere(_ context.Context, url string, most int) ([]byte, string, error) {
	switch data := strings.TrimPrefix(url, "https://files.example/"); {
	case data == url:
		return nil, "", outgoing.ErrBlocked
	case data == "gone":
		return nil, "", errors.New("the answer has status 404")
	case data == "large", most < 3:
		return nil, "", outgoing.ErrTooLarge
	case data == "text":
		return []byte("1,2"), "text/csv; charset=utf-8", nil
	case data == "video":
		return []byte("VID"), "video/mp4", nil
	default:
		return []byte("PNG"), "image/png", nil
	}
}

func at(path, mediaType, name string) *a2a.Part {
	p := a2a.NewFileURLPart(a2a.URL("https://files.example/"+path), mediaType)
	p.Filename = name
	return p
}

// TestFiles reads the files of a message that are somewhere else, and says which ones it does not.
func TestFiles(t *testing.T) {
	story{
		config: model.Config{File: elsewhere}, script: script{pieces: [][]string{{"Hi"}}}, state: a2a.TaskStateCompleted,
		message: a2a.NewMessage(a2a.MessageRoleUser, a2a.NewTextPart("What is this?"), at("a?sig=s3cr3t", "", "a.png"), at("text", "", "b.csv"), at("c", "text/plain", ""),
			at("video", "", ""), at("gone", "image/png", ""), at("large", "", ""), a2a.NewFileURLPart("https://other.example/a", "image/png")),
		check: func(t *testing.T, s *scene) {
			const left = "a file of the type video/mp4, a file that is somewhere else and cannot be read, " +
				"a file of more than 8191 KB that is somewhere else (all files together may have 8192 KB), a file that is somewhere else"
			want := []model.Message{{Role: model.User, Parts: []model.Part{
				{Text: "What is this?\n[File b.csv]\n1,2\n[File without a name]\nPNG\n[The message has more that you cannot read: " + left + ".]"},
				{File: &model.File{MediaType: "image/png", Name: "a.png", Bytes: []byte("PNG")}},
			}}}
			if got := s.asked[0].Messages; !reflect.DeepEqual(got, want) {
				t.Errorf("asked %+v", got[0])
			}
			if got := strings.Join(s.Events(), "\n"); !strings.Contains(got, "WORKING: The agent does not read all of the message. It leaves out: "+left+".") {
				t.Errorf("said %s", got)
			}
			for _, e := range s.Entries() {
				if strings.Contains(string(e.Result), "files.example") || strings.Contains(string(e.Result), "s3cr3t") {
					t.Errorf("the journal has a URL: %s", e.Result)
				}
			}
			if strings.Contains(s.Log.String(), "s3cr3t") {
				t.Error("the log has a URL")
			}
		},
	}.run(t)
	var many []*a2a.Part
	for range 20 {
		many = append(many, at("a", "", ""))
	}
	story{
		config: model.Config{File: elsewhere}, script: script{pieces: [][]string{{"Hi"}}}, state: a2a.TaskStateCompleted,
		message: a2a.NewMessage(a2a.MessageRoleUser, many...),
		check: func(t *testing.T, s *scene) {
			if got := s.asked[0].Messages[0].Parts; len(got) != 17 || !strings.Contains(got[0].Text, "4 × a file that is somewhere else (only 16 are read)") {
				t.Errorf("asked %+v", got)
			}
		},
	}.run(t)
	large := a2a.NewRawPart(make([]byte, 8<<20-2))
	large.MediaType = "image/png"
	story{
		config: model.Config{File: elsewhere}, script: script{pieces: [][]string{{"Hi"}}}, state: a2a.TaskStateCompleted,
		message: a2a.NewMessage(a2a.MessageRoleUser, at("a", "", ""), large),
		check: func(t *testing.T, s *scene) {
			if got := s.asked[0].Messages[0].Parts; len(got) != 2 || !strings.Contains(got[0].Text, "a file of more than 0 KB") {
				t.Errorf("asked %d parts, %s", len(got), got[0].Text)
			}
		},
	}.run(t)
}

// TestFilesCrash kills an agent at each operation that reads files from somewhere else. Another
// process has the same files; one that has changed meanwhile it does not show as if it were the same.
func TestFilesCrash(t *testing.T) {
	ss := &scenes{script: script{
		pieces: [][]string{{"Let me see."}, {"It is done."}},
		calls:  [][]model.Call{{call("a", "pay", `{"n":2}`)}},
	}}
	var mu sync.Mutex
	reads := map[*durabletest.World]int{}
	var w *durabletest.World
	ss.config.File = func(ctx context.Context, url string, most int) (data []byte, mediaType string, err error) {
		mu.Lock()
		own := w
		mu.Unlock()
		err = own.Outside(ctx, "read "+url, func() error {
			mu.Lock()
			defer mu.Unlock()
			reads[own]++
			data, mediaType, err = elsewhere(ctx, url, most)
			if strings.HasSuffix(url, "changing") {
				data = fmt.Append(nil, reads[own])
			}
			return err
		})
		return data, mediaType, err
	}
	durabletest.Test(t, durabletest.Case{
		Agent: ss.Agent, LosesAnswers: true,
		Script: func(own *durabletest.World) {
			mu.Lock()
			w = own
			mu.Unlock()
			own.Send(a2a.NewMessage(a2a.MessageRoleUser, a2a.NewTextPart("Look"), at("a", "", "a.png"), at("changing", "", "b.png")))
			own.Answer("yes")
			own.AwaitEnd()
		},
		Check: func(t *testing.T, own *durabletest.World) {
			s := ss.of(own)
			s.judge(t)
			if own.State() != a2a.TaskStateCompleted {
				t.Errorf("the task is %s", own.State())
			}
			const goneText = "\n[The file b.png was there when the message came, and is there no more as it was.]"
			for i, r := range s.asked {
				parts := r.Messages[0].Parts
				switch {
				case len(parts) == 3 && parts[0].Text == "Look" && string(parts[1].File.Bytes) == "PNG":
				case len(parts) == 2 && parts[0].Text == "Look"+goneText && string(parts[1].File.Bytes) == "PNG":
				default:
					t.Errorf("request %d has %+v", i, parts)
				}
			}
			if last := s.asked[len(s.asked)-1].Messages[0].Parts; len(last) == 3 {
				t.Errorf("after the question, the file that changes is shown as %q", last[2].File.Bytes)
			}
		},
	})
}
