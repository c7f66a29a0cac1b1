package protojson

import "github.com/a2aproject/a2a-go/v2/a2a"

// requestFields are those of all requests but those to send a message and to create a push notification configuration: none has a
// name for what another calls otherwise.
var (
	requestFields = FieldsOf("tenant", "id", "taskId", "metadata", "historyLength", "contextId", "status", "pageSize", "pageToken",
		"statusTimestampAfter", "includeArtifacts")
	sendFields   = FieldsOf("tenant", "message", "configuration", "metadata")
	configFields = FieldsOf("acceptedOutputModes", "taskPushNotificationConfig", "historyLength", "returnImmediately")
	pushFields   = FieldsOf("tenant", "id", "taskId", "url", "token", "authentication")
	authFields   = FieldsOf("scheme", "credentials")
)

// SendMessageRequest reads the request of SendMessage and SendStreamingMessage.
func (r *Reader) SendMessageRequest() *a2a.SendMessageRequest {
	req := new(a2a.SendMessageRequest)
	for name := range r.Members(sendFields) {
		switch name {
		case "tenant":
			req.Tenant = r.String()
		case "message":
			req.Message = r.Message()
		case "configuration":
			req.Config = r.sendConfig()
		case "metadata":
			req.Metadata = r.Object()
		}
	}
	return req
}

func (r *Reader) sendConfig() *a2a.SendMessageConfig {
	c := new(a2a.SendMessageConfig)
	for name := range r.Members(configFields) {
		switch name {
		case "acceptedOutputModes":
			c.AcceptedOutputModes = Strings[string](r)
		case "taskPushNotificationConfig":
			c.PushConfig = r.PushConfig()
		case "historyLength":
			c.HistoryLength = r.Length()
		case "returnImmediately":
			c.ReturnImmediately = r.Bool()
		}
	}
	return c
}

// Length reads an integer that may be absent.
func (r *Reader) Length() *int {
	n := r.Int32()
	return &n
}

// GetTaskRequest reads the request of GetTask.
func (r *Reader) GetTaskRequest() *a2a.GetTaskRequest {
	req := new(a2a.GetTaskRequest)
	for name := range r.Members(requestFields) {
		switch name {
		case "tenant":
			req.Tenant = r.String()
		case "id":
			req.ID = a2a.TaskID(r.String())
		case "historyLength":
			req.HistoryLength = r.Length()
		}
	}
	return req
}

// ListTasksRequest reads the request of ListTasks. Its page size is at least 1, or 0 if the client names none.
func (r *Reader) ListTasksRequest() *a2a.ListTasksRequest {
	req := new(a2a.ListTasksRequest)
	for name := range r.Members(requestFields) {
		switch name {
		case "tenant":
			req.Tenant = r.String()
		case "contextId":
			req.ContextID = r.String()
		case "status":
			req.Status = r.State()
		case "pageSize":
			if req.PageSize = r.Int32(); req.PageSize < 1 {
				r.Fail("is not between 1 and 100")
			}
		case "pageToken":
			req.PageToken = r.String()
		case "historyLength":
			req.HistoryLength = r.Length()
		case "statusTimestampAfter":
			req.StatusTimestampAfter = r.Time()
		case "includeArtifacts":
			req.IncludeArtifacts = r.Bool()
		}
	}
	return req
}

// CancelTaskRequest reads the request of CancelTask.
func (r *Reader) CancelTaskRequest() *a2a.CancelTaskRequest {
	req := new(a2a.CancelTaskRequest)
	for name := range r.Members(requestFields) {
		switch name {
		case "tenant":
			req.Tenant = r.String()
		case "id":
			req.ID = a2a.TaskID(r.String())
		case "metadata":
			req.Metadata = r.Object()
		}
	}
	return req
}

// SubscribeToTaskRequest reads the request of SubscribeToTask.
func (r *Reader) SubscribeToTaskRequest() *a2a.SubscribeToTaskRequest {
	req := new(a2a.SubscribeToTaskRequest)
	for name := range r.Members(requestFields) {
		switch name {
		case "tenant":
			req.Tenant = r.String()
		case "id":
			req.ID = a2a.TaskID(r.String())
		}
	}
	return req
}

// PushConfig reads a push notification configuration, which is the request of CreateTaskPushNotificationConfig, too.
func (r *Reader) PushConfig() *a2a.PushConfig {
	c := new(a2a.PushConfig)
	for name := range r.Members(pushFields) {
		switch name {
		case "tenant":
			c.Tenant = r.String()
		case "id":
			c.ID = r.String()
		case "taskId":
			c.TaskID = a2a.TaskID(r.String())
		case "url":
			c.URL = r.String()
		case "token":
			c.Token = r.String()
		case "authentication":
			c.Auth = new(a2a.PushAuthInfo)
			for name := range r.Members(authFields) {
				switch name {
				case "scheme":
					c.Auth.Scheme = r.String()
				case "credentials":
					c.Auth.Credentials = r.String()
				}
			}
		}
	}
	return c
}

// GetPushConfigRequest reads the request of GetTaskPushNotificationConfig.
func (r *Reader) GetPushConfigRequest() *a2a.GetTaskPushConfigRequest {
	req := new(a2a.GetTaskPushConfigRequest)
	for name := range r.Members(requestFields) {
		switch name {
		case "tenant":
			req.Tenant = r.String()
		case "taskId":
			req.TaskID = a2a.TaskID(r.String())
		case "id":
			req.ID = r.String()
		}
	}
	return req
}

// DeletePushConfigRequest reads the request of DeleteTaskPushNotificationConfig, which has the fields of that to get one.
func (r *Reader) DeletePushConfigRequest() *a2a.DeleteTaskPushConfigRequest {
	return (*a2a.DeleteTaskPushConfigRequest)(r.GetPushConfigRequest())
}

// ListPushConfigsRequest reads the request of ListTaskPushNotificationConfigs.
func (r *Reader) ListPushConfigsRequest() *a2a.ListTaskPushConfigRequest {
	req := new(a2a.ListTaskPushConfigRequest)
	for name := range r.Members(requestFields) {
		switch name {
		case "tenant":
			req.Tenant = r.String()
		case "taskId":
			req.TaskID = a2a.TaskID(r.String())
		case "pageSize":
			req.PageSize = r.Int32()
		case "pageToken":
			req.PageToken = r.String()
		}
	}
	return req
}
