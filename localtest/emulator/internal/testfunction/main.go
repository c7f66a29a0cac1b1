// Command testfunction is the function that the emulator's tests run: an HTTP handler whose paths
// fail in all the ways in which a function can.
package main

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log"
	"net/http"
	"os"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/aws/aws-lambda-go/lambda"
	"github.com/aws/aws-lambda-go/lambdacontext"

	"a2alambda/internal/functionurl"
)

func main() {
	if os.Getenv("FAIL_INIT") != "" {
		log.Fatal("init failed as told")
	}
	mux := http.NewServeMux()
	mux.HandleFunc("/echo", echo)
	mux.HandleFunc("/pid", func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, os.Getpid()) })
	mux.HandleFunc("/base", func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, functionurl.BaseURL(r)) })
	mux.HandleFunc("/user", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Access-Control-Allow-Origin", "*")
		io.WriteString(w, functionurl.IAMUser(r))
	})
	mux.HandleFunc("/env", func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, strings.Join(os.Environ(), "\n")) })
	mux.HandleFunc("/steps", steps)
	mux.HandleFunc("/events", manyEvents)
	mux.HandleFunc("/big", big)
	mux.HandleFunc("/sum", sum)
	mux.HandleFunc("/background", background)
	mux.HandleFunc("/fail", fail)
	mux.HandleFunc("/spin", spin)
	mux.HandleFunc("/hog", hog)
	h := functionurl.Handler(mux)
	var options []lambda.Option
	if os.Getenv("WANT_SIGTERM") != "" {
		options = append(options, lambda.WithEnableSIGTERM(func() {
			log.Print("told to end")
			os.Exit(0)
		}))
	}
	lambda.StartWithOptions(func(ctx context.Context, event json.RawMessage) (any, error) {
		// These are failures that no HTTP handler can have.
		switch {
		case bytes.Contains(event, []byte(`"call":`)):
			return call(ctx, event)
		case bytes.Contains(event, []byte(`"rawPath":"/runtime/error"`)):
			return nil, errors.New("error as told")
		case bytes.Contains(event, []byte(`"rawPath":"/runtime/panic"`)):
			panic("panic as told")
		case bytes.Contains(event, []byte(`"rawPath":"/runtime/json"`)):
			return map[string]string{"plain": "json"}, nil
		case bytes.Contains(event, []byte(`"rawPath":"/runtime/context"`)):
			var in struct{ RequestContext json.RawMessage }
			err := json.Unmarshal(event, &in)
			return in.RequestContext, err
		case bytes.Contains(event, []byte(`"rawPath":"/runtime/buffered"`)):
			return map[string]any{"statusCode": 201, "headers": map[string]string{"X-A": "1"}, "cookies": []string{"c=1"}, "body": "AP8=", "isBase64Encoded": true}, nil
		case bytes.Contains(event, []byte(`"rawPath":"/runtime/status"`)):
			return map[string]any{"statusCode": 42, "body": "secret"}, nil
		}
		return h(ctx, event)
	}, options...)
}

// call posts the event to the URL in its "call", so that a test sees an asynchronous invocation.
// Then it does what the answer says.
func call(ctx context.Context, event json.RawMessage) (any, error) {
	var in struct{ Call string }
	if err := json.Unmarshal(event, &in); err != nil {
		return nil, err
	}
	request, err := http.NewRequestWithContext(ctx, "POST", in.Call, bytes.NewReader(event))
	if err != nil {
		return nil, err
	}
	invoked, _ := lambdacontext.FromContext(ctx)
	request.Header.Set("Request-Id", invoked.AwsRequestID)
	request.Header.Set("Function", invoked.InvokedFunctionArn+" "+lambdacontext.FunctionName)
	request.Header.Set("Pid", strconv.Itoa(os.Getpid()))
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		select {} // until the deadline
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	switch {
	case err != nil:
		return nil, err
	case response.StatusCode == http.StatusInternalServerError:
		return nil, errors.New("error as told")
	case response.StatusCode == http.StatusBadGateway:
		os.Exit(3)
	}
	return json.RawMessage(body), nil
}

func echo(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		panic(err)
	}
	for _, name := range []string{"One", "Two"} {
		http.SetCookie(w, &http.Cookie{Name: name, Value: "set"})
	}
	w.Header().Set("Content-Type", "text/plain")
	w.Header().Set("Content-Length", "3") // wrong on purpose; no client sees it
	w.WriteHeader(http.StatusTeapot)
	fmt.Fprintf(w, "%s %s\nhost %s\nheader %q\ncookie %q\nbody %d %q\n", r.Method, r.RequestURI, r.Host, r.Header["X-Header"], r.Header["Cookie"], r.ContentLength, body)
}

// steps sends "step 0". It sends each next step when the URL in "gate" has answered, until that
// answers with a status that is no success.
func steps(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "text/event-stream")
	for n := 0; ; n++ {
		fmt.Fprintf(w, "step %d\n", n)
		w.(http.Flusher).Flush()
		response, err := http.Get(r.FormValue("gate"))
		if err != nil {
			panic(err)
		}
		response.Body.Close()
		if response.StatusCode != http.StatusOK {
			return
		}
	}
}

// manyEvents sends n server-sent events of about 300 bytes.
func manyEvents(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "text/event-stream")
	n, _ := strconv.Atoi(r.FormValue("n"))
	text := strings.Repeat("0123456789", 27)
	for id := 1; id <= n; id++ {
		fmt.Fprintf(w, "id: %d\ndata: {\"text\":%q}\n\n", id, text)
		w.(http.Flusher).Flush()
	}
}

func big(w http.ResponseWriter, r *http.Request) {
	n, _ := strconv.Atoi(r.FormValue("n"))
	line := bytes.Repeat([]byte("0123456789abcde\n"), 1<<12)
	for ; n > 0; n -= len(line) {
		w.Write(line[:min(n, len(line))])
	}
}

// sum answers with the length and hash of the request body.
func sum(w http.ResponseWriter, r *http.Request) {
	h := sha256.New()
	n, err := io.Copy(h, r.Body)
	if err != nil {
		panic(err)
	}
	fmt.Fprintf(w, "%d %x", n, h.Sum(nil))
}

// background answers, and appends to the file named "count" for as long as the process runs.
func background(w http.ResponseWriter, r *http.Request) {
	f, err := os.Create(r.FormValue("count"))
	if err != nil {
		panic(err)
	}
	begun := make(chan struct{})
	go func() {
		for n := 0; ; n++ {
			if _, err := f.WriteString("."); err != nil {
				panic(err)
			}
			if n == 10 {
				close(begun)
			}
			time.Sleep(100 * time.Microsecond)
		}
	}()
	<-begun
}

// spin computes until the process has used so many "ms" of CPU more.
func spin(w http.ResponseWriter, r *http.Request) {
	ms, _ := strconv.Atoi(r.FormValue("ms"))
	for end := used() + time.Duration(ms)*time.Millisecond; used() < end; {
	}
}

// used returns the CPU that the process has used.
func used() time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		panic(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// hog sends what is in "first", and takes so many "mb" of memory.
func hog(w http.ResponseWriter, r *http.Request) {
	if first := r.FormValue("first"); first != "" {
		io.WriteString(w, first)
		w.(http.Flusher).Flush()
	}
	mb, _ := strconv.Atoi(r.FormValue("mb"))
	var all [][]byte
	for range mb {
		all = append(all, bytes.Repeat([]byte("x"), 1<<20))
	}
	fmt.Fprint(w, len(all), " MB")
	runtime.KeepAlive(all)
}

// fail sends what is in "first", and then fails as "how" says.
func fail(w http.ResponseWriter, r *http.Request) {
	if first := r.FormValue("first"); first != "" {
		io.WriteString(w, first)
		w.(http.Flusher).Flush()
	}
	switch r.FormValue("how") {
	case "panic":
		panic("panic as told")
	case "exit":
		os.Exit(3)
	case "hang":
		select {}
	}
}
