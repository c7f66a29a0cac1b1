package dynamolog

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/a2aproject/a2a-go/v2/a2a"
	"github.com/aws/aws-sdk-go-v2/aws/retry"

	"a2alambda/internal/bucket"
)

// Large says where large bodies are. In its zero value they are in the table, as all others.
//
// A body in a bucket is cut into parts as one in the table is, with an item for each. But the item
// names an object instead of having the bytes. So readers need no setting: what is in the table and
// what is in a bucket, even another one than that of new bodies, is read side by side. A process of
// a former version, or one with a zero Large, fails to read what is in a bucket.
//
// An object is put before the item that names it. Its key has the ref, which its writer alone uses,
// and a hash of the content: a put that is repeated changes nothing, and no holder overwrites what
// another one has put.
type Large struct {
	// Bucket is where new ones go. Without a Name, they go to the table. The rest of it is for
	// reading, too.
	Bucket bucket.Config
	// From is the size of the smallest, deflated; at most 380 KB. Default 64 KB.
	From int
}

// largeFrom is the default of Large.From. By price (us-east-1, November 2026) a PUT costs what 8
// write units cost, a KB each, and a GET what 3 read units cost, 4 KB each: from 13 KB on, the
// bucket costs less. But it takes some 30 ms more for each. At 64 KB it costs a seventh of the
// table, and what is that large is no token that somebody waits for, but a file.
const largeFrom = 64 << 10

const (
	// maxObject bounds the memory of whoever reads or puts a part: see partsAtOnce.
	maxObject = 4 << 20

	// streamedObject is the size of the objects of a body that is put while it is made.
	streamedObject = 1 << 20
)

// Lifetimes are the days after which a bucket may delete objects, shortest first. Each is also the
// first segment of keys, for a rule of the bucket. So a task's objects live at least as long as the
// task and at most half as long again, and a change of the retention concerns only tasks to come.
// https://docs.aws.amazon.com/AmazonS3/latest/userguide/intro-lifecycle-rules.html
var Lifetimes = []int{
	1, 2, 3, 4, 5, 7, 10, 14, 21, 30, 45, 60, 90, 120, 180, 270, 365, 545, 730, 1095, 1460, 2190, 2920, 3650, 36500,
}

// lifetime returns the shortest of Lifetimes for what is read until then.
func lifetime(expires time.Time) int {
	left := time.Until(expires)
	for _, days := range Lifetimes {
		if left <= time.Duration(days)*24*time.Hour {
			return days
		}
	}
	return Lifetimes[len(Lifetimes)-1]
}

// large is a Large that is complete.
type large struct {
	config *bucket.Config // nil if there are no buckets
	from   int            // 0 if none is put

	mu   *sync.Mutex
	open map[string]*bucket.Bucket // by name
}

func newLarge(l Large) large {
	if l.Bucket.Credentials == nil {
		return large{}
	}
	if l.Bucket.Retryer == nil {
		l.Bucket.Retryer = retry.NewStandard()
	}
	l.Bucket.Retryer = newRetryer(l.Bucket.Retryer)
	own := large{config: &l.Bucket, mu: new(sync.Mutex), open: make(map[string]*bucket.Bucket)}
	if l.Bucket.Name != "" {
		own.from = min(maxPart, cmp.Or(l.From, largeFrom))
	}
	return own
}

// bucket returns the bucket with the name.
func (l large) bucket(name string) *bucket.Bucket {
	l.mu.Lock()
	defer l.mu.Unlock()
	b := l.open[name]
	if b == nil {
		c := *l.config
		c.Name = name
		b = bucket.New(c)
		l.open[name] = b
	}
	return b
}

// takes reports whether a part of that many bytes goes to the bucket.
func (l large) takes(bytes int) bool { return l.from > 0 && bytes >= l.from }

// inline returns the most bytes of a body that is in its item, of which there is room for most.
func (l large) inline(most int) int {
	if l.from > 0 {
		return min(most, l.from-1)
	}
	return most
}

// partSize returns the most bytes of a part of a body. If one goes to the bucket, all do: they are
// of about the same size.
func (l large) partSize(body int) int {
	if !l.takes(body) {
		return maxPart
	}
	n := (body + maxObject - 1) / maxObject
	return (body + n - 1) / n
}

// stream returns the size of the parts of a body whose size is not known yet, and how many bytes
// are kept behind, so that the last part is not too small for the bucket.
func (l large) stream() (size, kept int) {
	if l.from > 0 {
		return streamedObject, l.from
	}
	return maxPart, 0
}

// put puts a part into the bucket. It returns the attributes by which it is found.
func (l large) put(ctx context.Context, id a2a.TaskID, expires time.Time, ref string, i int, part []byte) (item, error) {
	sum := sha256.Sum256(part)
	key := fmt.Sprintf("%d/%s/%s/%d-%s", lifetime(expires),
		url.PathEscape(string(id)), url.PathEscape(ref), i, hex.EncodeToString(sum[:8]))
	ctx, tell := counted(ctx, false)
	if err := l.bucket(l.config.Name).Put(ctx, key, part, sum); err != nil {
		return nil, tell(err)
	}
	return item{attrObject: str(l.config.Name + "/" + key), attrBytes: num(int64(len(part))), attrSum: bin(sum[:])}, nil
}

// partOf returns the part whose item it is.
func (l large) partOf(ctx context.Context, it item) ([]byte, error) {
	object, size, sum := it.str(attrObject), it.num(attrBytes), it.bin(attrSum)
	if object == "" {
		return it.bin(attrBody), nil
	}
	if l.config == nil {
		return nil, fmt.Errorf("it is in a bucket, which this process can't read: %s", object)
	}
	name, key, found := strings.Cut(object, "/")
	if !found || !bucket.IsName(name) || size <= 0 || size > 2*maxObject || len(sum) != sha256.Size {
		return nil, fmt.Errorf("the item of object %q is not whole", object)
	}
	ctx, tell := counted(ctx, true)
	part, err := l.bucket(name).Get(ctx, key, size, bucket.Sum(sum))
	return part, tell(err)
}

// reach returns an error if new bodies can't be put into the bucket, and read there.
func (l large) reach(ctx context.Context) error {
	if l.from == 0 {
		return nil
	}
	key, content := fmt.Sprintf("%d/reach", Lifetimes[0]), []byte("reached")
	b, sum := l.bucket(l.config.Name), sha256.Sum256(content)
	if err := b.Put(ctx, key, content, sum); err != nil {
		return err
	}
	_, err := b.Get(ctx, key, int64(len(content)), sum)
	return err
}
