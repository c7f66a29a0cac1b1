package callback

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"io"
	"strings"

	"github.com/a2aproject/a2a-go/v2/a2a"
)

// Path is where the handler takes callbacks, below the URL that it is at.
const Path = "/callbacks/"

// tokenBytes is the length of a token before its encoding.
const tokenBytes = 16

// The uses of tokens. A token is good for one of them.
const (
	toDeliver = "callback"
	toWake    = "wake"
)

// URL returns the URL of a wait, whose base is where the handler is. It follows from the
// deployment's secret and the wait's names, so it is the same whenever it is made. Whoever knows it
// can deliver.
func URL(base string, secret []byte, id a2a.TaskID, wait string) string {
	return url(base, secret, toDeliver, id, wait)
}

// WakeURL is URL for senders that only say that there is news: each POST wakes the task while the
// wait is open, and nothing of it is read or kept.
func WakeURL(base string, secret []byte, id a2a.TaskID, wait string) string {
	return url(base, secret, toWake, id, wait)
}

func url(base string, secret []byte, use string, id a2a.TaskID, wait string) string {
	// The name of a wait is any text, and proxies disagree on escaped slashes.
	name := base64.RawURLEncoding.EncodeToString([]byte(wait))
	return strings.TrimSuffix(base, "/") + Path + string(id) + "/" + name + "/" + token(secret, use, id, wait)
}

// token returns the HMAC-SHA-256 (RFC 2104) of a wait's names, cut to tokenBytes.
func token(secret []byte, use string, id a2a.TaskID, wait string) string {
	h := hmac.New(sha256.New, secret)
	for _, s := range []string{use, string(id), wait} {
		_ = binary.Write(h, binary.BigEndian, uint64(len(s))) // a hash takes all
		_, _ = io.WriteString(h, s)
	}
	return hex.EncodeToString(h.Sum(nil)[:tokenBytes])
}

// address is what the path of a request says.
type address struct {
	task  a2a.TaskID
	wait  string
	token string
}

// parse returns the parts of a path. A part that is missing or malformed is "": no token is good
// for that.
func parse(path string) (a address) {
	rest, ok := strings.CutPrefix(path, Path)
	parts := strings.Split(rest, "/")
	if !ok || len(parts) != 3 {
		return address{}
	}
	// Strict: each wait has one URL.
	name, err := base64.RawURLEncoding.Strict().DecodeString(parts[1])
	if err != nil {
		return address{}
	}
	return address{task: a2a.TaskID(parts[0]), wait: string(name), token: parts[2]}
}

// use returns what the address's token is good for, or "".
func (a address) use(secret []byte) (use string) {
	// Always both, so that a wrong token takes as long as a right one.
	for _, u := range []string{toDeliver, toWake} {
		if hmac.Equal([]byte(token(secret, u, a.task, a.wait)), []byte(a.token)) {
			use = u
		}
	}
	return use
}
