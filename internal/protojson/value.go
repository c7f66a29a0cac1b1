package protojson

import (
	"time"

	"github.com/a2aproject/a2a-go/v2/a2a"
)

// Read reads a value of the type T: a request of 1.0, or a type inside requests, tasks or events.
func Read[T any](r *Reader) *T {
	v := new(T)
	r.value(v)
	return v
}

// List reads an array of values of the type T, like [Read].
func List[T any](r *Reader) []T {
	list := []T{}
	for range r.Elements() {
		list = append(list, *new(T))
		r.value(&list[len(list)-1])
	}
	return list
}

func (r *Reader) value(target any) {
	switch v := target.(type) {
	case func():
		v()
	case *string:
		*v = r.String()
	case *a2a.TaskID:
		*v = a2a.TaskID(r.String())
	case *a2a.ArtifactID:
		*v = a2a.ArtifactID(r.String())
	case *a2a.MessageRole:
		*v = a2a.MessageRole(r.Enum(Roles))
	case *a2a.TaskState:
		*v = a2a.TaskState(r.Enum(r.States))
	case *bool:
		*v = r.Bool()
	case *int:
		*v = r.Int32()
	case **int:
		*v = Read[int](r)
	case **time.Time:
		*v = r.Time()
	case *map[string]any:
		*v = r.Object()
	case *[]string:
		*v = List[string](r)
	case *[]a2a.TaskID:
		*v = List[a2a.TaskID](r)
	case *[]*a2a.Artifact:
		*v = List[*a2a.Artifact](r)
	case *[]*a2a.Message:
		*v = List[*a2a.Message](r)
	case *a2a.ContentParts:
		*v = List[*a2a.Part](r)
	case **a2a.Part:
		*v = Read[a2a.Part](r)
	case **a2a.Artifact:
		*v = Read[a2a.Artifact](r)
	case **a2a.Message:
		*v = Read[a2a.Message](r)
	case **a2a.SendMessageConfig:
		*v = Read[a2a.SendMessageConfig](r)
	case **a2a.PushConfig:
		*v = Read[a2a.PushConfig](r)
	case **a2a.PushAuthInfo:
		*v = Read[a2a.PushAuthInfo](r)
	default:
		r.object(target)
	}
}
