package dynamolog

import (
	"fmt"
	"strconv"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"a2alambda/internal/tasklog"
)

// Attribute names are short: each item pays for them.
const (
	attrPK  = "pk"  // S: task id
	attrSK  = "sk"  // S: see the package's documentation
	attrTTL = "ttl" // N: when DynamoDB may delete the item, in seconds since 1970

	attrBody   = "b"   // B: deflated events, or a part of a bigger body
	attrParts  = "r"   // S: instead of b: the ref of the parts
	attrObject = "obj" // S: on parts, instead of b: bucket and key of the object that has the part; see large.go
	attrSum    = "su"  // B: on such parts: SHA-256 of it
	attrWriter = "w"   // S: the writer of this item; on leases: the holder
	attrCount  = "n"   // N: on batches: number of events, 0 for a fence
	attrBytes  = "by"  // N: bytes of the log with this batch or head; on parts that are objects: of the object
	attrValues = "va"  // N: values of it; not there if there are none
	attrGist   = "g"   // S: on batches and heads: what the log up to there has brought, see putGist
	attrState  = "s"   // S: on heads: the task's state; on batches: the terminal state they end with

	attrOwnBytes  = "ob" // N: on batches with parts: bytes of their events
	attrOwnValues = "ov" // N: values of these; not there if there are none

	attrUntil   = "u"   // N: end of the lease, in ms since 1970; on heads: of the first lease
	attrEpoch   = "ep"  // N: epoch; on heads: of the last try to acquire the lease
	attrSeq     = "seq" // N: on leases: last event when acquired; on heads: event with the state
	attrCrashes = "lo"  // N: on leases: holders in a row that crashed before they appended
	attrCancel  = "c"   // N: on leases: there if somebody has asked to cancel
	attrDoubt   = "q"   // N: on leases: when somebody asked the holder to renew it, in ms since 1970
	attrHears   = "ha"  // N: on leases and heads: the epoch of a holder whose process looks for questions, see question.go
	attrTell    = "tp"  // N: on leases: there if the holder must learn of push notifications
	attrWoken   = "wo"  // N: on leases: how often the task was woken
	attrSleeps  = "sp"  // N: on leases: the epoch of the holder that has suspended the task
	attrRecords = "j"   // S: if the holder records: its epoch and the journal's last place, see recordsFrom
	attrPush    = "p"   // N: 1 if the change of this item wakes the push function; see push.go

	// The request that began the turn: of the first holder on heads, of later ones on leases.
	attrTrace      = "tr" // S: trace; also on configurations
	attrRequest    = "rq" // B: what else is kept, deflated, see requestBody
	attrRequestRef = "rr" // S: instead of rq: the ref of the parts

	// On heads only, but for what is said of others.
	attrRunning     = "run" // S: key of the index; there while the task is running; see suspend.go and push.go
	attrContext     = "ctx" // S: context id
	attrBegins      = "bc"  // N: 1 if the context began with the task
	attrLook        = "cr"  // N: when the sweeper is to look at the task, in seconds since 1970
	attrAsked       = "as"  // N: how often that was postponed, if it was; also on configurations
	attrOwner       = "o"   // S: owner
	attrTenant      = "te"  // S: tenant
	attrList        = "li"  // S: key of the index of an owner's tasks
	attrPosition    = "po"  // S: place in that index: time of the state and id, see position
	attrExpires     = "x"   // N: when the task expires, in seconds since 1970
	attrSnapshotSeq = "sn"  // N: the snapshot's last event
	attrSnapshotRef = "sr"  // S: the ref of the snapshot's parts; also on what names a snapshot
	attrRefersSeq   = "ln"  // N: the last event of the last snapshot that refers to events
	attrRefersRef   = "lr"  // S: the ref of its parts
)

const (
	skHead     = "H"
	skLease    = "L"
	skBatchEnd = "E$" // after every batch
)

// skSnapshot returns the sort key of the item that names the snapshot as of event seq.
func skSnapshot(seq int64) string { return fmt.Sprintf("S#%012d", seq) }

// skRefers is skSnapshot for a snapshot that refers to events. Processes of a former version, which
// can't read it, don't know this key, nor the attributes of the head: they use the snapshot before.
func skRefers(seq int64) string { return fmt.Sprintf("S+%012d", seq) }

// skBatch returns the sort key of the batch that begins with event seq.
func skBatch(seq int64) string { return fmt.Sprintf("E#%012d", seq) }

// ref returns the name of what a writer writes at event seq. It is unique within the task.
func ref(seq int64, writer string) string { return strconv.FormatInt(seq, 10) + "." + writer }

type item map[string]types.AttributeValue

func str(s string) types.AttributeValue { return &types.AttributeValueMemberS{Value: s} }

func num(n int64) types.AttributeValue {
	return &types.AttributeValueMemberN{Value: strconv.FormatInt(n, 10)}
}

func bin(b []byte) types.AttributeValue { return &types.AttributeValueMemberB{Value: b} }

// str returns the string attribute, or "".
func (it item) str(name string) string {
	if v, ok := it[name].(*types.AttributeValueMemberS); ok {
		return v.Value
	}
	return ""
}

// num returns the number attribute, or 0.
func (it item) num(name string) int64 {
	if v, ok := it[name].(*types.AttributeValueMemberN); ok {
		n, _ := strconv.ParseInt(v.Value, 10, 64)
		return n
	}
	return 0
}

// bin returns the binary attribute, or nil.
func (it item) bin(name string) []byte {
	if v, ok := it[name].(*types.AttributeValueMemberB); ok {
		return v.Value
	}
	return nil
}

// first returns the number of the first event in a batch or head.
func first(it item) int64 {
	sk := it.str(attrSK)
	if sk == skHead {
		return 1
	}
	n, _ := strconv.ParseInt(sk[len("E#"):], 10, 64)
	return n
}

// last returns the number of the last event in a batch or head.
func last(it item) int64 {
	if it.str(attrSK) == skHead {
		return 1
	}
	return first(it) + it.num(attrCount) - 1
}

// putSize sets the size of the log up to the batch or head.
func putSize(it item, s tasklog.Size) {
	it[attrBytes] = num(s.Bytes)
	if s.Values > 0 {
		it[attrValues] = num(s.Values)
	}
}

func sizeOf(it item) tasklog.Size {
	return tasklog.Size{Bytes: it.num(attrBytes), Values: it.num(attrValues)}
}

// putOwnSize says how large the events of a batch are whose body is in parts.
func putOwnSize(it item, s tasklog.Size) {
	it[attrOwnBytes] = num(s.Bytes)
	if s.Values > 0 {
		it[attrOwnValues] = num(s.Values)
	}
}

// ownSize returns the size of the events of a batch or head whose body is in parts.
func ownSize(it item) tasklog.Size {
	if it.str(attrSK) == skHead {
		return sizeOf(it)
	}
	return tasklog.Size{Bytes: it.num(attrOwnBytes), Values: it.num(attrOwnValues)}
}

// ends reports whether the batch ends its task: then nothing after it counts.
func ends(it item) bool { return it.str(attrSK) != skHead && it.str(attrState) != "" }
