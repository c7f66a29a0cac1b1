package functionurl

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"unicode/utf8"
)

const (
	// maxAnswer is the most bytes of an answer in one piece, as JSON. The Runtime API refuses a
	// longer one, and aws-lambda-go then ends the process.
	// https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html
	maxAnswer = 6 << 20

	// aroundBody is reserved for what surrounds the body: status and headers.
	aroundBody = 16 << 10
)

// tooLong is the whole body of a response that replaces one longer than maxAnswer. A handler that
// asks [Room] can say more.
const tooLong = `{"jsonrpc":"2.0","id":null,"error":{"code":-32603,"message":"The answer is longer than 6 MB, the most that can be sent in one piece"}}`

type bufferedKey struct{}

// inOnePiece marks the context of a request whose answer is sent in one piece.
func inOnePiece(ctx context.Context) context.Context {
	return context.WithValue(ctx, bufferedKey{}, true)
}

// Room returns a function to call with each piece of a body. It returns how many more bytes the
// answer may have, as they are sent: in a JSON string. A negative number means that the answer has
// become too long. For a stream, which has no limit, Room returns nil.
func Room(r *http.Request) func(piece []byte) (left int) {
	if r.Context().Value(bufferedKey{}) == nil {
		return nil
	}
	left := maxAnswer - aroundBody
	return func(piece []byte) int {
		left -= escapedLen(piece)
		return left
	}
}

// sentLen returns how many bytes a response in one piece has.
func sentLen(h http.Header, body []byte) int {
	headers, _ := json.Marshal(h) // strings
	n := len(headers) + 1<<10     // for names of members, cookies, repeated headers
	if utf8.Valid(body) {
		return n + len(headers) + escapedLen(body)
	}
	return n + len(headers) + base64.StdEncoding.EncodedLen(len(body))
}

// escapedLen returns the length of UTF-8 in a JSON string as aws-lambda-go encodes it: "<", ">" and
// "&" are not escaped.
func escapedLen(p []byte) int {
	n := len(p)
	for i, c := range p {
		switch {
		case c == '"' || c == '\\' || c == '\n' || c == '\r' || c == '\t' || c == '\b' || c == '\f':
			n++
		case c < ' ':
			n += 5
		case c == 0xe2 && i+2 < len(p) && p[i+1] == 0x80 && p[i+2]&^1 == 0xa8: // U+2028 and U+2029
			n += 3
		}
	}
	return n
}
