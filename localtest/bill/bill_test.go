package bill

import (
	"encoding/json"
	"flag"
	"fmt"
	"math"
	"os"
	"strings"
	"sync"
	"testing"

	"a2alambda/localtest"
	"a2alambda/localtest/prices"
	"a2alambda/localtest/stack"
)

var update = flag.String("update", "", "write measured/`NAME`.json anew, where something has changed")

// TestMain has more tests run at once than there are processors: they wait more than they compute.
func TestMain(m *testing.M) {
	flag.Parse()
	if err := flag.Set("test.parallel", "12"); err != nil {
		panic(err)
	}
	os.Exit(m.Run())
}

// measured is what operations use, by name.
type measured struct {
	mu  sync.Mutex
	use map[string]Use
}

// measure does an operation in one way. What the dearest way uses counts.
func (m *measured) measure(t *testing.T, s *system, o operation, w way) {
	t.Helper()
	u := s.use(t, o, w(t, s))
	t.Logf("%s: %+v", o.name, u)
	m.mu.Lock()
	defer m.mu.Unlock()
	u = larger(u, m.use[o.name])
	u.Name = o.name
	m.use[o.name] = u
}

// TestUse measures what each operation uses, in both versions, and compares it with what was
// measured last, of which the document's tables are made.
func TestUse(t *testing.T) {
	m := measured{use: map[string]Use{}}
	var names []string
	t.Run("measure", func(t *testing.T) {
		t.Run("operations", func(t *testing.T) {
			t.Parallel()
			s := newSystem(t, false)
			for _, o := range operations() {
				for _, w := range o.ways {
					m.measure(t, s, o, w)
				}
			}
		})
		for _, waiting := range []struct {
			operations []operation
			pushes     bool
		}{{followers(), false}, {webhooks(), true}} {
			for _, o := range waiting.operations {
				for i, w := range o.ways {
					t.Run(fmt.Sprint(o.name, i), func(t *testing.T) {
						t.Parallel()
						m.measure(t, newSystem(t, waiting.pushes), o, w)
					})
				}
			}
		}
	})
	if t.Failed() {
		return
	}
	for _, all := range [][]operation{operations(), followers(), webhooks()} {
		for _, o := range all {
			names = append(names, o.name)
		}
	}
	for name, u := range m.use {
		if strings.HasSuffix(name, "never answers") {
			u.Push.Invocations += retries
			u.Push.MS += retries * retryMS
			m.use[name] = u
		}
	}
	compare(t, names, m.use)
}

// compare compares what is measured with the file, or writes that.
func compare(t *testing.T, names []string, now map[string]Use) {
	t.Helper()
	known := map[string]Use{}
	file := After()
	if *update == "before" {
		file = Before()
	}
	for _, u := range file {
		known[u.Name] = u
	}
	var all []Use
	for _, name := range names {
		was, ok := known[name]
		if ok && like(was, now[name]) {
			all = append(all, was) // what differs only by chance stays
			continue
		}
		all = append(all, now[name])
		if *update == "" && !(ok && within(was, now[name])) {
			t.Errorf("%s uses %+v, and used %+v: go test ./localtest/bill -update after, and look at the difference", name, now[name], was)
		}
	}
	if *update == "" && len(known) != len(names) {
		t.Errorf("measured/after.json has %d operations, not %d: -update after", len(known), len(names))
	}
	if *update != "" {
		lines := make([]string, len(all))
		for i, u := range all {
			line, err := json.Marshal(u)
			localtest.Must(t, err)
			lines[i] = string(line)
		}
		localtest.Must(t, os.WriteFile("measured/"+*update+".json", []byte("[\n"+strings.Join(lines, ",\n")+"\n]\n"), 0o644))
	}
}

// like reports whether two measurements differ only as two of the same do, on an idle machine.
func like(was, now Use) bool {
	near := func(a, b, least float64) bool { return math.Abs(a-b) <= max(least, 0.3*max(a, b)) }
	work := func(a, b Work) bool {
		return near(a.Invocations, b.Invocations, 2) && near(a.MS, b.MS, 0.1*a.MS+100)
	}
	return work(was.Agent, now.Agent) && work(was.Worker, now.Worker) && work(was.Push, now.Push) && near(was.Write, now.Write, 3) &&
		near(was.Read, now.Read, 5) && near(was.In, now.In, 1) && near(was.Out, now.Out, 2) && near(was.Posted, now.Posted, 2)
}

// within reports whether now is no more than was, and no less, as far as a busy machine can tell: it
// takes longer, asks more often meanwhile, and wakes the push function more often, or too late for
// what a receiver would have got.
func within(was, now Use) bool {
	between := func(a, b, factor, more float64) bool {
		return b <= factor*a+more && (was.Push.Invocations > 0 || a <= factor*b+more)
	}
	return between(was.Agent.Invocations, now.Agent.Invocations, 1, 0.5) && between(was.Worker.Invocations, now.Worker.Invocations, 1.5, 1) &&
		now.Push.Invocations <= 10*was.Push.Invocations && now.Agent.MS >= 0.7*was.Agent.MS-100 && now.Worker.MS >= 0.7*was.Worker.MS-100 &&
		between(was.Write, now.Write, 1.5, 3) && between(was.Read, now.Read, 3, 5) &&
		between(was.In, now.In, 1.1, 1) && between(was.Out, now.Out, 1.3, 2) && between(was.Posted, now.Posted, 1.3, 3)
}

// TestHour computes by hand what an hour costs.
func TestHour(t *testing.T) {
	u := Use{Agent: Work{Invocations: 1, MS: 95}, Worker: Work{Invocations: 1, MS: 190}, Write: 10, Read: 4, Out: 1000}
	second := float64(stack.Memory["agent"]) / 1024 * prices.LambdaARM // and of the worker, which has as much
	worker := prices.LambdaRequest + 0.19*second + platformKB/gb*prices.Log
	each := worker + prices.LambdaRequest + 0.095*second + platformKB/gb*prices.Log + 10*prices.Write + 4*prices.Read + 1000/gb*prices.Leaving
	brief := Use{Agent: Work{Invocations: 1, MS: 1}}
	for _, test := range []struct {
		what           string
		u              Use
		b              Bounds
		times, dollars float64
	}{
		{"one connection", u, Bounds{Connections: 1, Instances: 10, Push: 10, Units: 1e6}, 36000, 36000 * each},
		{"instances of the worker", u, Bounds{Connections: 2, Instances: 2, Push: 2, Units: 1e6}, 72000, 72000*each - (72000-7.2e6/190)*worker},
		{"units of the table", u, Bounds{Connections: 1, Instances: 10, Push: 10, Units: 20}, 7200, 7200 * each},
		{"requests that Lambda takes", brief, Bounds{Connections: 100, Instances: 2, Units: 1}, 72000,
			72000 * (prices.LambdaRequest + 0.001*second + platformKB/gb*prices.Log)},
	} {
		times, dollars := test.u.Hour(test.b)
		if math.Abs(times-test.times) > 1e-6 || math.Abs(dollars-test.dollars) > 1e-6 {
			t.Errorf("%s: %v times for $%v, want %v for $%v", test.what, times, dollars, test.times, test.dollars)
		}
	}
}

func TestFigure(t *testing.T) {
	for x, want := range map[float64]string{0: "0", 0.0123456: "0.012", 0.00001234: "1.2e-05", 9.96: "10", 1: "1", 12.6: "13", 1234567: "1,200,000", 999: "1,000"} {
		if got := figure(x); got != want {
			t.Errorf("%v: %s, want %s", x, got, want)
		}
	}
}
