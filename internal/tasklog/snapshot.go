package tasklog

// minSnapshotBytes is the least length of log between two snapshots. From there on the distance is the size of the last
// snapshot: then a log costs at most twice its own bytes in snapshots, however long it gets, and loading reads at most
// twice the bytes of the task.
const minSnapshotBytes = 256 << 10

// keeper keeps the fold of an appender, and has snapshots of it saved while appends go on.
type keeper struct {
	fold *Fold // it is the snapshot's while one is being saved
	// saved gets the size of the snapshot that is being saved, or 0 if it was not. It is nil when none is.
	saved chan int
	later []Event // what came meanwhile, and is not in fold

	last, since int // bytes: of the last snapshot, and of the log since it was begun
}

// add adds events that are in the log.
func (k *keeper) add(events []Event) {
	k.settle(false)
	for _, e := range events {
		k.since += len(e.JSON)
	}
	if k.saved != nil {
		k.later = append(k.later, events...)
		return
	}
	for _, e := range events {
		k.fold.Add(e)
	}
}

// due reports whether it is time for a snapshot.
func (k *keeper) due() bool { return k.saved == nil && k.since >= max(k.last, minSnapshotBytes) }

// save begins to save a snapshot. If it fails, Load finds the same task without it.
func (k *keeper) save(put func(seq int64, task []byte) error) {
	k.saved = make(chan int, 1)
	k.since = 0
	go func(fold *Fold, saved chan<- int) {
		size := 0
		defer func() { saved <- size }()
		task, err := fold.Task()
		if err != nil {
			return
		}
		data, err := EncodeTask(task)
		if err == nil && put(fold.Seq(), data) == nil {
			size = len(data)
		}
	}(k.fold, k.saved)
}

// settle takes the fold back if the snapshot is saved; with wait, it waits until it is.
func (k *keeper) settle(wait bool) {
	if k.saved == nil {
		return
	}
	var size int
	if wait {
		size = <-k.saved
	} else {
		select {
		case size = <-k.saved:
		default:
			return
		}
	}
	k.saved = nil
	if size > 0 {
		k.last = size
	}
	for _, e := range k.later {
		k.fold.Add(e)
	}
	k.later = nil
}
