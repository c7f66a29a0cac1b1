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
	// defaultPage and maxPage are the tasks on a page of a list (specification 3.1.4).
	defaultPage = 50
	maxPage     = 100

	// looksPerPage is how often a page looks for tasks, if those that were found are not as the
	// index has them.
	looksPerPage = 2

	// loadAtOnce is how many tasks of a page are loaded at the same time, each of which is in
	// memory as a whole until it is trimmed.
	loadAtOnce = 8
)

// maxPageSize is how much JSON the tasks on a page have, and how many values. A page that is full
// ends early. A task that is longer by itself is cut: see [tasklog.Cut].
var maxPageSize = tasklog.Size{Bytes: maxPageBytes, Values: maxPageValues}

const (
	maxPageBytes  = 4 << 20
	maxPageValues = 100_000
)

// page is what a page token says. It belongs to the list that it comes from, and shows nothing that
// is not the caller's.
type page struct {
	Time  int64      `json:"t"` // of the last task looked at, in milliseconds since 1970
	ID    a2a.TaskID `json:"i"` // of the last task looked at
	Total int        `json:"n"`
	Seal  []byte     `json:"s"` // see keyed.seal
}

// ListTasks implements specification 3.1.4. The tasks are in the order in which they reached their
// states; those on a page by the times that they show. Each task is shown once at most; one that
// changes meanwhile is at the beginning of the list, where the next reader finds it. TotalSize is
// counted for the first page, and stays.
//
// What a page reads is bounded, whatever the filter: see [tasklog.Index]. So it may have fewer
// tasks than were asked for, or none, and a token; and TotalSize is of the newest tasks alone, if
// there are too many to look at.
func (s *Server) ListTasks(ctx context.Context, c Caller, req *a2a.ListTasksRequest) (*a2a.ListTasksResponse, error) {
	size := cmp.Or(req.PageSize, defaultPage) // who asks for none is refused where the request is decoded
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
		}
		if full {
			break
		}
		more = found.More
		if at = found.Looked; len(found.Found) == 0 {
			break // it has looked at all that it may
		}
	}
	if more {
		list.NextPageToken = k.token(page{Time: at.Time.UnixMilli(), ID: at.ID, Total: from.Total}, filter)
	}
	slices.SortStableFunc(list.Tasks, func(a, b *a2a.Task) int { return statusTime(b).Compare(statusTime(a)) })
	return list, nil
}

// alive returns the filter without the tasks that have expired for certain, which the index keeps
// for some time: none lives longer than since the status that is older than that.
func (s *Server) alive(f tasklog.Filter) tasklog.Filter {
	if begin := time.Now().Add(-s.Retention); f.Since.Before(begin) {
		f.Since = begin
	}
	return f
}

// states are those of the specification, 4.1.3.
var states = []a2a.TaskState{
	a2a.TaskStateUnspecified, a2a.TaskStateSubmitted, a2a.TaskStateWorking, a2a.TaskStateCompleted, a2a.TaskStateFailed,
	a2a.TaskStateCanceled, a2a.TaskStateInputRequired, a2a.TaskStateRejected, a2a.TaskStateAuthRequired,
}

// loadAll returns of each of the tasks what the request asks for, or nil if it does not match the
// filter; and only of the first of them if there is no room for more on a page of which so much is
// used.
func (s *Server) loadAll(
	ctx context.Context, at []tasklog.Position, f tasklog.Filter, req *a2a.ListTasksRequest, used tasklog.Size,
) ([]*a2a.Task, error) {
	group := group{used: used, found: make([]*a2a.Task, len(at)), sizes: make([]tasklog.Size, len(at))}
	errs := make([]error, len(at))
	var loading sync.WaitGroup
	load := func(i int) error {
		if group.full(i) {
			return nil
		}
		ctx, account := memory.Open(ctx) // of its own: what is loaded is forgotten when it is trimmed
		defer account.Close()
		snapshot, err := s.Store.Load(ctx, at[i].ID)
		switch {
		case errors.Is(err, tasklog.ErrNotFound): // it has expired
			return nil
		case err != nil:
			return err
		case matches(snapshot, f):
			s.recover(ctx, snapshot)
			group.add(i, trimmed(snapshot.Task, req))
		}
		return nil
	}
	for i := range at {
		loading.Go(func() { errs[i] = load(i) })
	}
	loading.Wait()
	for i, err := range errs {
		if errors.Is(err, memory.ErrFull) {
			errs[i] = load(i) // alone
		}
	}
	return group.found, errors.Join(errs...)
}

// group is what was loaded at the same time for a page. It has no more in hand than there is room
// for: tasks of few bytes may take a lot of memory.
type group struct {
	used tasklog.Size // of the page, by the tasks before

	mu    sync.Mutex
	found []*a2a.Task // up to where the page is full
	sizes []tasklog.Size
}

// full reports whether there is no room for the task.
func (g *group) full(i int) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	return i >= len(g.found)
}

// add adds the task, and leaves out what there is no room for beside those before it. On a page
// there is room for one task.
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

// trimmed returns the task as the request wants it. The rest of it can be forgotten: a page of
// whole tasks may take more memory than there is.
func trimmed(t *a2a.Task, req *a2a.ListTasksRequest) *a2a.Task {
	trimHistory(t, req.HistoryLength)
	t.History = slices.Clone(t.History) // without what was before
	if !req.IncludeArtifacts {
		t.Artifacts = nil
	}
	tasklog.Cut(t, maxPageSize)
	tasklog.JoinTexts(t)
	return t
}

// matches reports whether a task passes the filter as it is, not only by its head.
func matches(s *tasklog.Snapshot, f tasklog.Filter) bool {
	return s.Head.Scope == f.Scope && (f.State == "" || s.Task.Status.State == f.State) && !statusTime(s.Task).Before(f.Since)
}

func statusTime(t *a2a.Task) time.Time {
	if t.Status.Timestamp == nil {
		return time.Time{}
	}
	return *t.Status.Timestamp
}

// page returns what the token says, or the first page of the list.
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

// seal returns what only this deployment puts on a page of that list: with another filter, or
// another page, it is another.
func (k keyed) seal(p page, f tasklog.Filter) []byte {
	return k.mac("page", strconv.FormatInt(p.Time, 10), string(p.ID), strconv.Itoa(p.Total),
		f.Scope.Owner, f.Scope.Tenant, f.ContextID, string(f.State), f.Since.UTC().Format(time.RFC3339Nano))[:16]
}
