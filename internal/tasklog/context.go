package tasklog

import (
	"github.com/a2aproject/a2a-go/v2/a2a"
	"github.com/google/uuid"
)

// ContextOf returns the id of a context that begins with a task, and has no other id: a store finds
// the task by it, and need not keep that anywhere. It returns "" if the id of the task is no UUID.
func ContextOf(id a2a.TaskID) string { return twin(string(id)) }

// FirstIn returns the id of the task that the context began with if [ContextOf] has made its id. The
// task need not exist. FirstIn returns "" if ContextOf does not make such ids.
func FirstIn(contextID string) a2a.TaskID { return a2a.TaskID(twin(contextID)) }

// twin returns the UUID that differs in its last 56 bits. Those before have the version, the variant,
// and whose the id is.
func twin(id string) string {
	u, err := uuid.Parse(id)
	if err != nil || u.String() != id {
		return ""
	}
	for i := 9; i < len(u); i++ {
		u[i] = ^u[i]
	}
	return u.String()
}
