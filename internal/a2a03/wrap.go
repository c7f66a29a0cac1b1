package a2a03

import (
	"maps"
	"slices"

	"github.com/a2aproject/a2a-go/v2/a2a"

	"a2alambda/internal/protojson"
)

// wrapTask returns a copy of the task with its data parts in 0.3's form: see wrap.
func wrapTask(t *a2a.Task) *a2a.Task {
	c := *t
	c.Status.Message = wrapMessage(t.Status.Message)
	c.History = protojson.Each(t.History, wrapMessage)
	c.Artifacts = protojson.Each(t.Artifacts, wrapArtifact)
	return &c
}

// wrapEvent returns the event with its data parts in 0.3's form.
func wrapEvent(event a2a.Event) a2a.Event {
	switch e := event.(type) {
	case *a2a.Task:
		return wrapTask(e)
	case *a2a.TaskStatusUpdateEvent:
		c := *e
		c.Status.Message = wrapMessage(e.Status.Message)
		return &c
	case *a2a.TaskArtifactUpdateEvent:
		c := *e
		c.Artifact = wrapArtifact(e.Artifact)
		return &c
	case *a2a.Message:
		return wrapMessage(e)
	}
	return event
}

func wrapMessage(m *a2a.Message) *a2a.Message {
	if m == nil || !slices.ContainsFunc(m.Parts, isBare) {
		return m
	}
	c := *m
	c.Parts = protojson.Each(m.Parts, wrap)
	return &c
}

func wrapArtifact(a *a2a.Artifact) *a2a.Artifact {
	if a == nil || !slices.ContainsFunc(a.Parts, isBare) {
		return a
	}
	c := *a
	c.Parts = protojson.Each(a.Parts, wrap)
	return &c
}

// isBare reports whether the part has data that are not an object.
func isBare(p *a2a.Part) bool {
	data, isData := p.Content.(a2a.Data)
	_, isObject := data.Value.(map[string]any)
	return isData && !isObject
}

// wrap returns the part. Data that are no object become a member of one; the metadata say so.
func wrap(p *a2a.Part) *a2a.Part {
	if !isBare(p) {
		return p
	}
	metadata := map[string]any{}
	maps.Copy(metadata, p.Metadata)
	metadata[wrapped] = true
	return &a2a.Part{Content: a2a.Data{Value: map[string]any{"value": p.Data()}}, Metadata: metadata}
}

// unwrap is the inverse of wrap, in place.
func unwrap(p *a2a.Part) {
	data, isData := p.Content.(a2a.Data)
	object, isObject := data.Value.(map[string]any)
	if was, _ := p.Metadata[wrapped].(bool); was && isData && isObject {
		p.Content = a2a.Data{Value: object["value"]}
		delete(p.Metadata, wrapped)
	}
}

// Wrapped returns the event with its bare data wrapped, as HTTP+JSON has it.
func Wrapped(event a2a.Event) a2a.Event { return wrapEvent(event) }

// Unwrapped returns the event, in which it has unwrapped what an agent has wrapped.
func Unwrapped(event a2a.Event) a2a.Event {
	message := func(m *a2a.Message) {
		if m != nil {
			unwrapAll(m.Parts)
		}
	}
	artifact := func(a *a2a.Artifact) {
		if a != nil {
			unwrapAll(a.Parts)
		}
	}
	switch e := event.(type) {
	case *a2a.Task:
		message(e.Status.Message)
		for _, m := range e.History {
			message(m)
		}
		for _, a := range e.Artifacts {
			artifact(a)
		}
	case *a2a.TaskStatusUpdateEvent:
		message(e.Status.Message)
	case *a2a.TaskArtifactUpdateEvent:
		artifact(e.Artifact)
	case *a2a.Message:
		message(e)
	}
	return event
}

func unwrapAll(parts a2a.ContentParts) {
	for _, p := range parts {
		if p != nil {
			unwrap(p)
		}
	}
}
