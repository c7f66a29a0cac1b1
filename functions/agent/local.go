package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/signal"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/a2aproject/a2a-go/v2/a2a"
	"github.com/aws/aws-sdk-go-v2/aws"
	awsconfig "github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/credentials"

	"a2alambda/internal/callback"
	"a2alambda/internal/dynamolog"
	"a2alambda/internal/hosted"
	"a2alambda/internal/lambdaenv"
	"a2alambda/internal/memlog"
	"a2alambda/internal/outgoing"
	"a2alambda/internal/prometheus"
	"a2alambda/internal/purchase/street"
	"a2alambda/internal/push"
	"a2alambda/internal/run"
	"a2alambda/internal/tasklog"
	"a2alambda/internal/webhook"
)

// loopback is where a local server's webhooks may be, besides the public internet: on this machine.
const loopback = "127.0.0.0/8,::1/128"

// local hosts the agent outside Lambda: it is its own worker and sweeper, and delivers its push
// notifications.
type local struct {
	runner    *run.Runner
	pushes    push.Store
	deliverer *webhook.Deliverer
	places    places          // for what it does at the same time
	ending    context.Context // done when the process has been asked to end
	setEnding func()
	metrics   net.Listener   // where Prometheus reads them; nil for none
	agentCore bool           // AgentCore Runtime is the host
	store     string         // where the tasks are, for people to read
	window    time.Duration  // the server's JoinWindow
	grace     time.Duration  // how long it may take to end
	street    *street.Street // of the purchase agent; nil for none
	jobs      sync.WaitGroup // running workers and deliveries
	running   atomic.Int64   // how many have begun and not ended
}

// openLocal returns a runner whose log is in the table that the environment names, or in memory.
// Callbacks come in below the URL.
func openLocal(ctx context.Context, agent *hosted.Agent, guard outgoing.Guard, callbacks string, journal run.JournalConfig) (*local, error) {
	atOnce, err := maxConcurrency(os.Getenv("MAX_CONCURRENCY"))
	if err != nil {
		return nil, err
	}
	l := &local{places: newPlaces(atOnce), store: "memory: tasks are gone when this process ends"}
	l.ending, l.setEnding = context.WithCancel(context.Background())
	logger, err := newLogger(os.Getenv("LOG_FORMAT"))
	if err != nil {
		return nil, err
	}
	if address := os.Getenv("METRICS_ADDRESS"); address != "" {
		m := prometheus.New()
		m.Gauge("places", func() float64 { return float64(cap(l.places.taken)) })
		m.Gauge("places_taken", func() float64 { return float64(len(l.places.taken)) })
		m.Gauge("tasks_working", func() float64 { return float64(len(l.places.working)) })
		m.Gauge("tasks_waiting", func() float64 { return float64(len(l.places.waiting)) })
		if l.metrics, err = serveMetrics(address, m); err != nil {
			return nil, err
		}
		logger = slog.New(m.Handler(logger.Handler()))
	}
	config := run.Config{
		Executor: agent.Executor, Peers: agent.Peers, Logger: logger, Invoke: l.work, Callbacks: callbacks, Journal: journal,
	}
	table, bucket := os.Getenv("TABLE_NAME"), os.Getenv("BUCKET_NAME")
	if table == "" && bucket != "" {
		return nil, errors.New("BUCKET_NAME needs TABLE_NAME: tasks in memory have no large bodies elsewhere")
	}
	if table == "" {
		config.Alone = true
		log := new(memlog.Log)
		l.keep(config, log, log.Pushes(), guard)
		return l, nil
	}
	cfg, endpoint, err := tableConfig(ctx, 2*atOnce) // places are of two kinds
	if err != nil {
		return nil, err
	}
	client := lambdaenv.DynamoDB(cfg)
	bodies, err := lambdaenv.Bodies(cfg, bucket)
	if err != nil {
		return nil, err
	}
	log := dynamolog.NewWith(client, table, bodies)
	log.Share()
	if endpoint != "" {
		if err = dynamolog.CreateTable(ctx, client, table); err != nil {
			if unsent := (*url.Error)(nil); errors.As(err, &unsent) {
				err = unsent.Err // without what the SDK did about it
			}
			err = fmt.Errorf("AWS_ENDPOINT_URL_DYNAMODB is %q, where no table can be created: %w", endpoint, err)
		}
	} else {
		err = reach(ctx, cfg, log, table)
	}
	if err != nil {
		return nil, err
	}
	config.Gap = lambdaenv.Gap
	l.store = "DynamoDB table " + table
	if bucket != "" {
		if err := log.Reach(ctx); err != nil {
			return nil, fmt.Errorf("BUCKET_NAME is %q, which cannot be used: %w", bucket, err)
		}
		l.store += ", what is large in bucket " + bucket
	}
	l.keep(config, log, log.Pushes(), guard)
	return l, nil
}

// openStreet starts what the purchase agent needs on this machine, if it is the one to host and
// the environment says nothing else. It may return nil.
func openStreet(getenv func(string) string) (*street.Street, error) {
	if onLambda() || getenv("AGENT") != "purchase" || getenv("SHOP_URL") != "" && getenv("PEERS") != "" {
		return nil, nil
	}
	logger := slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{ReplaceAttr: brief, Level: slog.LevelWarn}))
	return street.Open(street.Usual(), 100*time.Millisecond, logger)
}

// tableConfig returns the configuration of AWS for the table. The endpoint is "" if the table is at
// AWS. A DynamoDB elsewhere, as on this machine, accepts any credentials. The process sends so many
// requests at the same time.
func tableConfig(ctx context.Context, atOnce int) (cfg aws.Config, endpoint string, err error) {
	endpoint = os.Getenv("AWS_ENDPOINT_URL_DYNAMODB")
	var options []func(*awsconfig.LoadOptions) error
	if endpoint != "" {
		options = append(options, awsconfig.WithDefaultRegion("us-east-1"))
		if os.Getenv("AWS_ACCESS_KEY_ID") == "" && os.Getenv("AWS_PROFILE") == "" {
			options = append(options, awsconfig.WithCredentialsProvider(credentials.NewStaticCredentialsProvider("local", "local", "")))
		}
	}
	if cfg, err = lambdaenv.ConfigFor(ctx, atOnce, options...); err != nil {
		err = fmt.Errorf("configuration of AWS: %w", err)
	}
	return cfg, endpoint, err
}

// reach returns an error that says what is missing to use the table.
func reach(ctx context.Context, cfg aws.Config, log *dynamolog.Log, table string) error {
	ctx, cancel := context.WithTimeout(ctx, 15*time.Second)
	defer cancel()
	if cfg.Region == "" {
		return errors.New("TABLE_NAME needs AWS_REGION, or a profile with a region")
	}
	if _, err := cfg.Credentials.Retrieve(ctx); err != nil {
		return errors.New("TABLE_NAME needs AWS credentials, and there are none: set AWS_PROFILE, or leave out TABLE_NAME to keep tasks in memory")
	}
	if _, err := log.Secret(ctx); err != nil { // a server's first read
		return fmt.Errorf("table %s in %s cannot be used: %w", table, cfg.Region, err)
	}
	return nil
}

// brief shortens a local server's log: the time of day, and the level only if something is wrong.
func brief(_ []string, a slog.Attr) slog.Attr {
	switch {
	case a.Key == slog.TimeKey:
		return slog.String(slog.TimeKey, a.Value.Time().Format("15:04:05.000"))
	case a.Key == slog.LevelKey && a.Value.Any() == slog.LevelInfo:
		return slog.Attr{}
	}
	return a
}

// keep has l store its tasks, run them as config says, and deliver their push notifications.
func (l *local) keep(config run.Config, tasks tasklog.Store, pushes push.Store, guard outgoing.Guard) {
	l.deliverer = webhook.New(webhook.Config{
		Log: tasks, Store: pushes, Client: guard.Client(), Logger: config.Logger, Invoke: l.deliver,
	})
	config.Store, l.pushes = l.deliverer.Watch(tasks, &l.jobs)
	l.runner = run.New(config)
}

func (l *local) begin(job func()) {
	l.running.Add(1)
	l.jobs.Go(func() {
		defer l.running.Add(-1)
		job()
	})
}

// deliver delivers push notification configurations in the background. When the process is about to
// end, it leaves them to another one, which finds them due.
func (l *local) deliver(_ context.Context, refs ...push.Ref) error {
	if l.ending.Err() != nil {
		return nil
	}
	l.begin(func() {
		if err := l.deliverer.Deliver(context.Background(), refs...); err != nil {
			l.runner.Logger.Error("delivery failed", "configs", refs, "error", err)
		}
	})
	return nil
}

// check logs what of the agent's tools cannot be used. The server serves all the same.
func (l *local) check(what func(context.Context) error) {
	if err := what(context.Background()); err != nil {
		for line := range strings.Lines(err.Error()) {
			l.runner.Logger.Warn(strings.TrimSpace(line))
		}
	}
}

// work runs a task in the background, once there is a place for it. When the process is about to
// end, or too many tasks wait for a place, it leaves the task to others, whose sweep or whose clients
// find it.
func (l *local) work(_ context.Context, id a2a.TaskID) error {
	if l.ending.Err() != nil {
		return nil
	}
	job := l.places.line(l.ending, func() {
		if err := l.runner.Work(context.Background(), id); err != nil && !errors.Is(err, tasklog.ErrEnding) {
			l.runner.Logger.Error("worker failed", "task", id, "error", err)
		}
	})
	if job != nil {
		l.begin(job)
	}
	return nil
}

func listen(address, port string) (net.Listener, error) {
	if _, err := strconv.ParseUint(port, 10, 16); err != nil {
		return nil, fmt.Errorf("PORT is %q, not the number of a port", port)
	}
	listener, err := net.Listen("tcp", net.JoinHostPort(strings.Trim(address, "[]"), port))
	switch {
	case errors.Is(err, syscall.EADDRINUSE), errors.Is(err, syscall.EACCES):
		return nil, fmt.Errorf("cannot listen on port %s; set PORT to another: %w", port, err)
	case err != nil:
		return nil, fmt.Errorf("ADDRESS is %q, where this machine cannot listen: %w", address, err)
	}
	return listener, nil
}

// withCallbacks takes callbacks, and leaves other paths to the handler.
func (l *local) withCallbacks(handler http.Handler) http.Handler {
	callbacks := callback.New(callback.Config{Store: l.runner.Store, Invoke: l.work, Logger: l.runner.Logger})
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.HasPrefix(r.URL.Path, callback.Path) {
			callbacks.ServeHTTP(w, r)
			return
		}
		handler.ServeHTTP(w, r)
	})
}

// homeOf returns the URL of a local server, for people on this machine. It ends in a slash.
func homeOf(l net.Listener) string {
	at, host := l.Addr().(*net.TCPAddr), "localhost"
	if !at.IP.IsLoopback() && !at.IP.IsUnspecified() {
		host = at.IP.String()
	}
	return "http://" + net.JoinHostPort(host, strconv.Itoa(at.Port)) + "/"
}

// serve serves the handler of the named agent until SIGINT or SIGTERM, and then until its work is
// handed over or has ended: see end. A second signal ends it at once. A server that listens only on
// this machine serves only this machine: see onlyLoopback.
func (l *local) serve(name, publicURL string, handler http.Handler, listener net.Listener) error {
	var requests atomic.Int64 // under way, but for those about the process
	handler = counted(&requests, handler)
	if l.agentCore {
		handler = withPing(func() bool { return requests.Load()+l.running.Load() > 0 }, handler)
	}
	handler = withHealth(l.runner.Ending, handler)
	if listener.Addr().(*net.TCPAddr).IP.IsLoopback() {
		handler = onlyLoopback(publicURL, handler)
	}
	handler = bodyWithin(bodyTimeout, handler)
	home := homeOf(listener)
	fmt.Printf(`🌊 %[3]s
📋 Agent card: %[1]s.well-known/agent-card.json
💬 A2A endpoint: %[1]s
🖥️ In a browser: %[1]s
💾 Tasks in %[2]s
🔁 %[4]s%[5]s

Try it:
curl -N %[1]s -H 'Content-Type: application/json' -d '{"jsonrpc":"2.0","id":1,"method":"message/stream","params":{"message":{"role":"user","parts":[{"kind":"text","text":"Stream me a response!"}],"messageId":"'$(date +%%s)'"}}}'
`, home, l.store, name, retries(l.window), l.beside())

	s := &http.Server{ReadHeaderTimeout: headerTimeout, IdleTimeout: idleTimeout, Handler: handler}
	signalled, restore := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	go l.sweep(signalled)
	stopped := make(chan error, 1)
	go func() {
		<-signalled.Done()
		restore() // a second signal ends the process
		stopped <- l.end(s, requests.Load)
	}()
	if err := s.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return <-stopped
}

// beside says what else this process serves.
func (l *local) beside() (text string) {
	if l.metrics != nil {
		text = fmt.Sprintf("\n📈 Metrics at http://%s%s", l.metrics.Addr(), metricsPath)
	}
	if l.street == nil {
		return text
	}
	return text + fmt.Sprintf("\n🛒 The shop, whose books are at %sbooks, and %s: both in memory", l.street.ShopURL, l.street.Peers)
}

// retries says what happens to a message that is sent again.
func retries(window time.Duration) string {
	if window < 0 {
		return "A message sent again while its task goes on joins it (JOIN_WINDOW=0)"
	}
	text := window.String()
	for _, long := range []string{"m0s", "h0m"} { // 10m, not 10m0s
		if strings.HasSuffix(text, long) {
			text = text[:len(text)-2]
		}
	}
	return "A message sent again within " + text + " after the end of its task gets that task (JOIN_WINDOW)"
}
