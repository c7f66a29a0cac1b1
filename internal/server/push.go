package server

import (
	"cmp"
	"context"
	"errors"
	"slices"

	"github.com/a2aproject/a2a-go/v2/a2a"

	"a2alambda/internal/push"
	"a2alambda/internal/tasklog"
)

// maxPushConfig is how long a configuration may be, in bytes.
const maxPushConfig = 16 << 10

var errManyPushConfigs = a2a.NewError(a2a.ErrUnsupportedOperation, push.ErrFull.Error())

// Push is what a server needs for push notifications. All fields are required.
type Push struct {
	Store push.Store
	// Check returns an error, in words for the client, if nothing can be sent with a configuration.
	Check func(*a2a.PushConfig) error
}

// checkPush returns an error if no task can have the configuration. The field is the
// configuration's name in the request, or "" if the configuration is the request itself.
func (s *Server) checkPush(field string, c *a2a.PushConfig) error {
	if field != "" {
		field += "."
	}
	switch {
	case s.Push == nil:
		return a2a.ErrPushNotificationNotSupported
	case c.URL == "":
		return Invalid(field+"url", "is required")
	case len(c.ID) > push.MaxID:
		return Invalid(field+"id", "is longer than %d bytes", push.MaxID)
	case c.Auth != nil && c.Auth.Scheme == "" && c.Auth.Credentials != "":
		return Invalid(field+"authentication.scheme", "is required")
	}
	length := len(c.URL) + len(c.Token)
	if c.Auth != nil {
		length += len(c.Auth.Scheme) + len(c.Auth.Credentials)
	}
	if length > maxPushConfig {
		return Invalid(field+"url", "is, with token and authentication, longer than %d KB", maxPushConfig>>10)
	}
	if err := s.Push.Check(c); err != nil {
		return a2a.NewError(a2a.ErrInvalidParams, "push notification configuration: "+err.Error())
	}
	return nil
}

// pushID returns the id of a configuration of the task. Without an id from the client, it follows
// from the URL, so that a repeated request changes nothing. In 0.3 a client sets the only
// configuration of a task: there the id follows from the task.
func (s *Server) pushID(ctx context.Context, c Caller, h tasklog.Head, config *a2a.PushConfig) (string, error) {
	switch {
	case config.ID != "":
		return config.ID, nil
	case c.Version == "0.3":
		return string(h.ID), nil
	}
	k, err := s.keyed(ctx)
	if err != nil {
		return "", err
	}
	return k.id(h.Scope, "push", string(h.ID), config.URL), nil
}

// checkRoom returns an error if the task has no room for the configuration, before a message is
// accepted. If several come at the same time, [push.Store.Put] decides. The task must be the
// caller's: nobody else may learn what it has.
func (s *Server) checkRoom(ctx context.Context, c Caller, h tasklog.Head, config *a2a.PushConfig) error {
	stored, err := s.Push.Store.List(ctx, h.ID)
	if err != nil || len(stored) < push.MaxConfigs {
		return err
	}
	own, err := s.pushID(ctx, c, h, config)
	if err != nil {
		return err
	}
	if slices.ContainsFunc(stored, func(c push.Config) bool { return c.ID == own }) {
		return nil
	}
	return errManyPushConfigs
}

// asOf is what a configuration must know of its task when it is stored.
type asOf struct {
	seq   int64         // only later events are delivered
	state a2a.TaskState // after that event, if it is known
	sent  int64         // see [push.Progress.Sent]
}

// putPush stores the configuration. It returns what clients see.
func (s *Server) putPush(
	ctx context.Context, c Caller, h tasklog.Head, config *a2a.PushConfig, from asOf,
) (*a2a.PushConfig, error) {
	id, err := s.pushID(ctx, c, h, config)
	if err != nil {
		return nil, err
	}
	stored := *config
	stored.TaskID, stored.Tenant, stored.ID = h.ID, h.Scope.Tenant, id
	if stored.Auth != nil && stored.Auth.Scheme == "" {
		stored.Auth = nil // it is empty
	}
	put := push.Config{
		TaskID: h.ID, ID: id, Push: stored, Version: c.Version, Trace: c.Trace, Expires: h.Expires,
		Progress: push.Progress{After: from.seq, Sent: from.sent}, State: from.state,
	}
	err = s.Push.Store.Put(ctx, h, put)
	if errors.Is(err, push.ErrFull) { // others were faster
		err = errManyPushConfigs
	}
	return shown(stored), err
}

// shown returns the configuration as clients see it, without credentials, which are for the webhook
// alone: if callers have no names, anybody may ask. The token is shown, since clients compare it.
func shown(stored a2a.PushConfig) *a2a.PushConfig {
	if stored.Auth != nil {
		stored.Auth = &a2a.PushAuthInfo{Scheme: stored.Auth.Scheme}
	}
	return &stored
}

// CreatePushConfig implements specification 3.1.7. Earlier events are not delivered.
func (s *Server) CreatePushConfig(ctx context.Context, c Caller, req *a2a.PushConfig) (*a2a.PushConfig, error) {
	if err := s.checkPush("", req); err != nil {
		return nil, err
	}
	snapshot, err := s.pushTask(ctx, c, req.Tenant, req.TaskID)
	if err != nil {
		return nil, err
	}
	if err := s.checkRoom(ctx, c, snapshot.Head, req); err != nil {
		return nil, err
	}
	c.Trace = cmp.Or(c.Trace, snapshot.Last.Trace)
	return s.putPush(ctx, c, snapshot.Head, req, asOf{snapshot.Seq, snapshot.Task.Status.State, snapshot.Sent})
}

// GetPushConfig implements specification 3.1.8. Without an id (0.3), it returns the first one.
func (s *Server) GetPushConfig(ctx context.Context, c Caller, req *a2a.GetTaskPushConfigRequest) (*a2a.PushConfig, error) {
	if req.ID == "" && c.Version != "0.3" {
		return nil, Invalid("id", "is required")
	}
	configs, err := s.pushConfigs(ctx, c, req.Tenant, req.TaskID)
	if err != nil {
		return nil, err
	}
	for _, config := range configs {
		if req.ID == "" || config.ID == req.ID {
			return config, nil
		}
	}
	return nil, a2a.NewError(a2a.ErrTaskNotFound, "the task has no such push notification configuration")
}

// ListPushConfigs implements specification 3.1.9. They are on one page: there are few.
func (s *Server) ListPushConfigs(ctx context.Context, c Caller, req *a2a.ListTaskPushConfigRequest) ([]*a2a.PushConfig, error) {
	return s.pushConfigs(ctx, c, req.Tenant, req.TaskID)
}

// DeletePushConfig implements specification 3.1.10.
func (s *Server) DeletePushConfig(ctx context.Context, c Caller, req *a2a.DeleteTaskPushConfigRequest) (struct{}, error) {
	if req.ID == "" {
		return struct{}{}, Invalid("id", "is required")
	}
	if _, err := s.pushTask(ctx, c, req.Tenant, req.TaskID); err != nil || len(req.ID) > push.MaxID {
		return struct{}{}, err // no configuration has such an id
	}
	return struct{}{}, s.Push.Store.Delete(ctx, req.TaskID, req.ID)
}

// pushConfigs returns the configurations of a task.
func (s *Server) pushConfigs(ctx context.Context, c Caller, tenant string, id a2a.TaskID) ([]*a2a.PushConfig, error) {
	if _, err := s.pushTask(ctx, c, tenant, id); err != nil {
		return nil, err
	}
	stored, err := s.Push.Store.List(ctx, id)
	configs := []*a2a.PushConfig{}
	for _, c := range stored {
		configs = append(configs, shown(c.Push))
	}
	return configs, err
}

// pushTask returns a task whose configurations a client asks for.
func (s *Server) pushTask(ctx context.Context, c Caller, tenant string, id a2a.TaskID) (*tasklog.Snapshot, error) {
	if s.Push == nil {
		return nil, a2a.ErrPushNotificationNotSupported
	}
	if id == "" {
		return nil, Invalid("taskId", "is required")
	}
	return s.peek(ctx, c.scope(tenant), id, state)
}
