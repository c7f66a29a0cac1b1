package dynamolog

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"

	"a2alambda/internal/tasklog"
)

// ownersOf returns who owns the entries, in order: for each run of entries with the same owner, how
// many they are, the length of the owner, and the owner. It returns nil if nobody owns any.
func ownersOf(entries []tasklog.Entry) (owners []byte) {
	owned := false
	for i := 0; i < len(entries); {
		n := 1
		for i+n < len(entries) && entries[i+n].Owner == entries[i].Owner {
			n++
		}
		owners = binary.AppendUvarint(owners, uint64(n))
		owners = binary.AppendUvarint(owners, uint64(len(entries[i].Owner)))
		owners = append(owners, entries[i].Owner...)
		owned = owned || entries[i].Owner != ""
		i += n
	}
	if !owned {
		return nil
	}
	return owners
}

var errOwners = errors.New("the owners of events are malformed")

// own gives the events the owners that deflated holds. It may be empty.
func own(events []tasklog.Event, deflated []byte) error {
	if len(deflated) == 0 {
		return nil
	}
	owners, err := inflateAll(bytes.NewReader(deflated))
	if err != nil {
		return fmt.Errorf("inflating owners: %w", err)
	}
	for len(owners) > 0 {
		var head [2]uint64
		for i := range head {
			v, n := binary.Uvarint(owners)
			if n <= 0 {
				return errOwners
			}
			head[i], owners = v, owners[n:]
		}
		if head[0] > uint64(len(events)) || head[1] > uint64(len(owners)) {
			return errOwners
		}
		owner := string(owners[:head[1]])
		owners = owners[head[1]:]
		for i := range events[:head[0]] {
			events[i].Owner = owner
		}
		events = events[head[0]:]
	}
	if len(events) > 0 {
		return errOwners
	}
	return nil
}
