package protojson

import (
	"reflect"

	"github.com/a2aproject/a2a-go/v2/a2a"
)

// requestFields are the fields of all requests except SendMessage and
// CreateTaskPushNotificationConfig. A name means the same in all of them.
var (
	requestFields = FieldsOf("tenant", "id", "taskId", "metadata", "historyLength", "contextId", "status", "pageSize", "pageToken",
		"statusTimestampAfter", "includeArtifacts")
	getFields       = requestFields.Only("tenant", "id", "historyLength")
	listFields      = requestFields.Only("tenant", "contextId", "status", "pageSize", "pageToken", "historyLength", "statusTimestampAfter", "includeArtifacts")
	cancelFields    = requestFields.Only("tenant", "id", "metadata")
	subscribeFields = requestFields.Only("tenant", "id")
	getPushFields   = requestFields.Only("tenant", "taskId", "id")
	listPushFields  = requestFields.Only("tenant", "taskId", "pageSize", "pageToken")

	sendFields   = FieldsOf("tenant", "message", "configuration", "metadata")
	configFields = FieldsOf("acceptedOutputModes", "taskPushNotificationConfig", "historyLength", "returnImmediately")
	pushFields   = FieldsOf("tenant", "id", "taskId", "url", "token", "authentication")
	authFields   = FieldsOf("scheme", "credentials")
)

// request reads a request, or an object that only requests have. ListTasks has a page size of at
// least 1, or 0 for none.
func (r *Reader) request(target any) {
	switch v := target.(type) {
	case *a2a.SendMessageRequest:
		r.Fill(sendFields, &v.Tenant, &v.Message, &v.Config, &v.Metadata)
	case *a2a.SendMessageConfig:
		r.Fill(configFields, &v.AcceptedOutputModes, &v.PushConfig, &v.HistoryLength, &v.ReturnImmediately)
	case *a2a.GetTaskRequest:
		r.Fill(getFields, &v.Tenant, &v.ID, &v.HistoryLength)
	case *a2a.ListTasksRequest:
		size := func() {
			if v.PageSize = r.Int32(); v.PageSize < 1 {
				r.Fail("is not between 1 and 100")
			}
		}
		r.Fill(listFields, &v.Tenant, &v.ContextID, &v.Status, size, &v.PageToken, &v.HistoryLength, &v.StatusTimestampAfter, &v.IncludeArtifacts)
	case *a2a.CancelTaskRequest:
		r.Fill(cancelFields, &v.Tenant, &v.ID, &v.Metadata)
	case *a2a.SubscribeToTaskRequest:
		r.Fill(subscribeFields, &v.Tenant, &v.ID)
	case *a2a.PushConfig: // the request to create it, too
		r.Fill(pushFields, &v.Tenant, &v.ID, &v.TaskID, &v.URL, &v.Token, &v.Auth)
	case *a2a.PushAuthInfo:
		r.Fill(authFields, &v.Scheme, &v.Credentials)
	case *a2a.GetTaskPushConfigRequest:
		r.Fill(getPushFields, &v.Tenant, &v.TaskID, &v.ID)
	case *a2a.DeleteTaskPushConfigRequest:
		r.Fill(getPushFields, &v.Tenant, &v.TaskID, &v.ID)
	case *a2a.ListTaskPushConfigRequest:
		r.Fill(listPushFields, &v.Tenant, &v.TaskID, &v.PageSize, &v.PageToken)
	default:
		panic("nothing reads a " + reflect.TypeOf(target).String()) // fmt would have all targets escape
	}
}
