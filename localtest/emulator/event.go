package emulator

import (
	"encoding/base64"
	"mime"
	"net"
	"net/http"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/aws/aws-lambda-go/events"
)

// urlID and domain are the function URL's in every event. The domain tells handlers that they may
// stream. The Host header has the URL that the client used, on this machine.
const (
	urlID  = "emulatedfunctionurl"
	domain = urlID + ".lambda-url." + region + ".on.aws"
)

// maxBody is the largest request body as it is in the event, in bytes. base64 adds a third.
const maxBody = 6 << 20

// newEvent turns a request into an event of payload format 2.0.
// https://docs.aws.amazon.com/lambda/latest/dg/urls-invocation.html
func newEvent(r *http.Request, body []byte, inv *invocation) events.LambdaFunctionURLRequest {
	now := time.Now().UTC()
	ip, _, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil {
		ip = r.RemoteAddr
	}
	_, port, err := net.SplitHostPort(r.Host)
	if err != nil {
		port = "80"
	}
	ev := events.LambdaFunctionURLRequest{
		Version:        "2.0",
		RawPath:        r.URL.EscapedPath(),
		RawQueryString: r.URL.RawQuery,
		Headers: map[string]string{
			"host":              r.Host,
			"x-amzn-trace-id":   inv.trace,
			"x-forwarded-for":   ip,
			"x-forwarded-port":  port,
			"x-forwarded-proto": "http",
		},
		RequestContext: events.LambdaFunctionURLRequestContext{
			AccountID:    "anonymous",
			RequestID:    inv.id,
			APIID:        urlID,
			DomainName:   domain,
			DomainPrefix: urlID,
			Time:         now.Format("02/Jan/2006:15:04:05 -0700"),
			TimeEpoch:    now.UnixMilli(),
			HTTP: events.LambdaFunctionURLRequestContextHTTPDescription{
				Method:    r.Method,
				Path:      r.URL.EscapedPath(),
				Protocol:  r.Proto,
				SourceIP:  ip,
				UserAgent: r.UserAgent(),
			},
		},
	}
	for k, values := range r.Header {
		k = strings.ToLower(k)
		if _, ok := ev.Headers[k]; !ok && k != "cookie" {
			ev.Headers[k] = strings.Join(values, ",")
		}
	}
	for _, line := range r.Header["Cookie"] {
		for c := range strings.SplitSeq(line, ";") {
			if c = strings.TrimSpace(c); c != "" {
				ev.Cookies = append(ev.Cookies, c)
			}
		}
	}
	for k, values := range r.URL.Query() {
		if ev.QueryStringParameters == nil {
			ev.QueryStringParameters = map[string]string{}
		}
		ev.QueryStringParameters[k] = strings.Join(values, ",")
	}
	if ev.IsBase64Encoded = len(body) > 0 && !isText(r.Header.Get("Content-Type"), body); ev.IsBase64Encoded {
		ev.Body = base64.StdEncoding.EncodeToString(body)
	} else {
		ev.Body = string(body)
	}
	return ev
}

// isText reports whether the event has the body as it is, without base64.
func isText(contentType string, body []byte) bool {
	t, _, err := mime.ParseMediaType(contentType)
	if err != nil || !utf8.Valid(body) {
		return false
	}
	switch t {
	case "application/json", "application/javascript", "application/xml":
		return true
	}
	return strings.HasPrefix(t, "text/") || strings.HasSuffix(t, "+json") || strings.HasSuffix(t, "+xml")
}
