package durable

// Leave has the run be handed over before its end, because its process is about to end: once every
// branch waits or has come to a durable call, which begins nothing new. Steps under way go on until
// the context of [Run.Run] is done.
func (r *Run) Leave() {
	e := r.engine
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.leaving || e.over != nil {
		return
	}
	e.leaving = true
	e.settle()
}
