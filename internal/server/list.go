package server

import (
	"cmp"
	"context"
	"crypto/hmac"
	"encoding/base64"
	"encoding/json"
	"errors"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/a2aproject/a2a-go/v2/a2a"

	"a2alambda/internal/memory"
	"a2alambda/internal/tasklog"
)

const (
	// defaultPage and maxPage are numbers of tasks on a page of a list (specification 3.1.4).
	defaultPage = 50
	maxPage     = 100

	// looksPerPage is how often a page asks the index for tasks, if the tasks that it found do not
	// match the filter any more.
	looksPerPage = 2

	// loadAtOnce is how many tasks of a page are loaded at the same time. Each is in memory as a
	// whole until it is trimmed.
	loadAtOnce = 8
)

// maxPageSize limits the tasks on a page: the bytes of their JSON, and their values. A full page
// ends early. A task that is larger by itself is cut: see [tasklog.Cut].
var maxPageSize = tasklog.Size{Bytes: maxPageBytes, Values: maxPageValues}

const (
	maxPageBytes  = 4 << 20
	maxPageValues = 100_000
)

// page is the content of a page token. It is for one list, and shows only what is the caller's.
type page struct {
	Time  int64      `json:"t"` // of the last task looked at, in milliseconds since 1970
	ID    a2a.TaskID `json:"i"` // of the last task looked at
	Total int        `json:"n"`
	Seal  []byte     `json:"s"` // see keyed.seal
}

// ListTasks implements specification 3.1.4. The tasks are in the order in which they reached their
// states, the newest first; those on a page are sorted by the times that they show. Each task is
// shown once at most: a task that changes meanwhile moves to the beginning of the list, where the
// next reader finds it. TotalSize is counted for the first page, and stays.
//
// What a page reads is bounded, whatever the filter: see [tasklog.Index]. So a page with a token
// may have fewer tasks than the client asked for, or none. If there are too many tasks to look at,
// TotalSize counts only the newest.
func (s *Server) ListTasks(ctx context.Context, c Caller, req *a2a.ListTasksRequest) (*a2a.ListTasksResponse, error) {
	size := cmp.Or(req.PageSize, defaultPage) // a request for 0 was refused when it was decoded
	switch {
	case size < 1 || size > maxPage:
		return nil, Invalid("pageSize", "is not between 1 and %d", maxPage)
	case !slices.Contains(states, req.Status):
		return nil, Invalid("status", "is not a state of a task")
	case len(req.ContextID) > maxID:
		return nil, Invalid("contextId", "is longer than %d bytes", maxID)
	}
	ctx = tasklog.GiveUpSoon(ctx)
	if err := errors.Join(checkTenant(req.Tenant), checkHistoryLength("historyLength", req.HistoryLength)); err != nil {
		return nil, err
	}
	filter := tasklog.Filter{Scope: c.scope(req.Tenant), ContextID: req.ContextID, State: req.Status}
	if req.StatusTimestampAfter != nil {
		filter.Since = *req.StatusTimestampAfter
	}
	k, err := s.keyed(ctx)
	if err != nil {
		return nil, err
	}
	from, err := s.page(ctx, k, req.PageToken, filter)
	if err != nil {
		return nil, err
	}
	look := s.alive(filter)

	list := &a2a.ListTasksResponse{Tasks: []*a2a.Task{}, TotalSize: from.Total, PageSize: size}
	var at tasklog.Position
	if from.ID != "" {
		at = tasklog.Position{Time: time.UnixMilli(from.Time), ID: from.ID}
	}
	more, used := true, tasklog.Size{}
	for looks := 0; more && len(list.Tasks) < size && looks < looksPerPage; looks++ {
		found, err := s.Store.List(ctx, look, at, size-len(list.Tasks))
		if err != nil {
			return nil, err
		}
		full := false
		for i := 0; i < len(found.Found) && !full; i += loadAtOnce {
			few := found.Found[i:min(i+loadAtOnce, len(found.Found))]
			tasks, err := s.loadAll(ctx, few, filter, req, used)
			if err != nil {
				return nil, err
			}
			for i, t := range tasks {
				if t != nil {
					list.Tasks, used = append(list.Tasks, t), used.Plus(tasklog.SizeOf(t))
				}
				at = few[i]
			}
			full = len(tasks) < len(few)
			if err := memory.Charge(ctx, "page", used.Memory()); err != nil {
				return nil, err
			}
		}
		if full {
			break
		}
		more = found.More
		if at = found.Looked; len(found.Found) == 0 {
			break // the page has read as much as it may
		}
	}
	if more {
		list.NextPageToken = k.token(page{Time: at.Time.UnixMilli(), ID: at.ID, Total: from.Total}, filter)
	}
	slices.SortStableFunc(list.Tasks, func(a, b *a2a.Task) int { return statusTime(b).Compare(statusTime(a)) })
	return list, nil
}

// alive returns the filter without tasks that have certainly expired, which the index keeps for
// some time: their last status is older than the time for which a task is kept.
func (s *Server) alive(f tasklog.Filter) tasklog.Filter {
	if begin := time.Now().Add(-s.Retention); f.Since.Before(begin) {
		f.Since = begin
	}
	return f
}

// states are the states of specification 4.1.3.
var states = []a2a.TaskState{
	a2a.TaskStateUnspecified, a2a.TaskStateSubmitted, a2a.TaskStateWorking, a2a.TaskStateCompleted, a2a.TaskStateFailed,
	a2a.TaskStateCanceled, a2a.TaskStateInputRequired, a2a.TaskStateRejected, a2a.TaskStateAuthRequired,
}

// loadAll returns what the request asks for of each task, or nil if the task does not match the
// filter. If a page with this much used has no room for all, it returns only the first ones.
func (s *Server) loadAll(
	ctx context.Context, at []tasklog.Position, f tasklog.Filter, req *a2a.ListTasksRequest, used tasklog.Size,
) ([]*a2a.Task, error) {
	group := group{used: used, found: make([]*a2a.Task, len(at)), sizes: make([]tasklog.Size, len(at))}
	errs := make([]error, len(at))
	var loading sync.WaitGroup
	w := shownOf(req.HistoryLength)
	w.Artifacts = req.IncludeArtifacts
	load := func(i int) error {
		if group.full(i) {
			return nil
		}
		ctx, account := memory.Open(ctx) // a new account: a task leaves memory when it is trimmed
		defer account.Close()
		snapshot, err := s.Store.Peek(ctx, at[i].ID, w)
		switch {
		case errors.Is(err, tasklog.ErrNotFound): // it has expired
			return nil
		case err != nil:
			return err
		case matches(snapshot, f):
			s.recover(ctx, snapshot)
			group.add(i, fitting(snapshot.Task))
		}
		return nil
	}
	for i := range at {
		loading.Go(func() { errs[i] = load(i) })
	}
	loading.Wait()
	for i, err := range errs {
		if errors.Is(err, memory.ErrFull) {
			errs[i] = load(i) // again, alone
		}
	}
	return group.found, errors.Join(errs...)
}

// group has the tasks of a page that are loaded at the same time. It keeps no more than the page
// has room for: a task of few bytes may take a lot of memory.
type group struct {
	used tasklog.Size // the part of the page that earlier tasks take

	mu    sync.Mutex
	found []*a2a.Task // until the page is full
	sizes []tasklog.Size
}

// full reports whether the page has no room for the task.
func (g *group) full(i int) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	return i >= len(g.found)
}

// add adds the task, and drops tasks for which there is no room after the ones before. A page
// always has room for one task.
func (g *group) add(i int, t *a2a.Task) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if i >= len(g.found) {
		return
	}
	g.found[i], g.sizes[i] = t, tasklog.SizeOf(t)
	sum := g.used
	for i, t := range g.found {
		before := sum
		sum = sum.Plus(g.sizes[i])
		if t != nil && before.Bytes > 0 && (sum.Bytes > maxPageSize.Bytes || sum.Values > maxPageSize.Values) {
			clear(g.found[i:])
			g.found = g.found[:i]
			return
		}
	}
}

// fitting returns the part of the task that fits into a page.
func fitting(t *a2a.Task) *a2a.Task {
	tasklog.Cut(t, maxPageSize)
	tasklog.JoinTexts(t)
	return t
}

// matches reports whether the current task passes the filter, as an earlier state of it did.
func matches(s *tasklog.Snapshot, f tasklog.Filter) bool {
	return s.Head.Scope == f.Scope && (f.State == "" || s.Task.Status.State == f.State) && !statusTime(s.Task).Before(f.Since)
}

func statusTime(t *a2a.Task) time.Time {
	if t.Status.Timestamp == nil {
		return time.Time{}
	}
	return *t.Status.Timestamp
}

// page returns the content of the token or, without a token, the first page of the list.
func (s *Server) page(ctx context.Context, k keyed, token string, f tasklog.Filter) (page, error) {
	if token == "" {
		n, err := s.Store.Count(ctx, s.alive(f))
		return page{Total: n}, err
	}
	var p page
	data, err := base64.RawURLEncoding.DecodeString(token)
	if err == nil {
		err = json.Unmarshal(data, &p)
	}
	if err != nil || !hmac.Equal(p.Seal, k.seal(p, f)) {
		return page{}, Invalid("pageToken", "is not one of this list")
	}
	return p, nil
}

// token returns the token of a page of the list.
func (k keyed) token(p page, f tasklog.Filter) string {
	p.Seal = k.seal(p, f)
	data, _ := json.Marshal(p)
	return base64.RawURLEncoding.EncodeToString(data)
}

// seal returns a seal for a page of the list, which only this deployment can make. It depends on
// the filter and on the page.
func (k keyed) seal(p page, f tasklog.Filter) []byte {
	return k.mac("page", strconv.FormatInt(p.Time, 10), string(p.ID), strconv.Itoa(p.Total),
		f.Scope.Owner, f.Scope.Tenant, f.ContextID, string(f.State), f.Since.UTC().Format(time.RFC3339Nano))[:16]
}
