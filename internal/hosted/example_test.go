package hosted_test

import (
	"context"
	"fmt"

	"github.com/a2aproject/a2a-go/v2/a2a"
	"github.com/a2aproject/a2a-go/v2/a2asrv"
)

func Example() {
	ec := &a2asrv.ExecutorContext{
		TaskID: "t-1", ContextID: "c-1", Message: a2a.NewMessage(a2a.MessageRoleUser, a2a.NewTextPart("Pieces of eight")),
	}
	for event, err := range (Parrot{}).Execute(context.Background(), ec) {
		switch e := event.(type) {
		case *a2a.TaskArtifactUpdateEvent:
			fmt.Print(e.Artifact.Parts[0].Text())
		case *a2a.TaskStatusUpdateEvent:
			fmt.Println(e.Status.State)
		default:
			fmt.Println(err)
		}
	}
	// Output: Pieces of eight TASK_STATE_COMPLETED
}
