package tasklog

import "time"

// rhythm is how a task talks, as far as it was followed.
type rhythm struct {
	last time.Time        // of the last news, or when following began
	gaps [2]time.Duration // the last ones between news, the newest first
}

const (
	// quietAfter is for how long a task is silent, beside twice its rhythm, before it is quiet.
	quietAfter = 500 * time.Millisecond

	// maxRhythm is the longest gap that counts as a rhythm.
	maxRhythm = 2 * time.Second

	// talkGap is the longest gap between the events of a task that talks.
	talkGap = 150 * time.Millisecond
)

// heard notes news.
func (r *rhythm) heard(at time.Time) {
	if gap := at.Sub(r.last); gap > 0 {
		r.gaps = [2]time.Duration{gap, r.gaps[0]}
	}
	r.last = at
}

// talks reports whether the last events came at the pace of a run that talks.
func (r *rhythm) talks() bool { return r.gaps[1] > 0 && max(r.gaps[0], r.gaps[1]) <= talkGap }

// quiet reports whether the task has been silent for longer than its rhythm explains.
func (r *rhythm) quiet(now time.Time) bool {
	return now.Sub(r.last) > quietAfter+2*min(max(r.gaps[0], r.gaps[1]), maxRhythm)
}
