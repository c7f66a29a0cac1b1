package bill

import (
	"fmt"
	"math"
	"strconv"
	"strings"

	"a2alambda/internal/tasklog"
	"a2alambda/localtest/prices"
	"a2alambda/localtest/stack"
)

// Tables returns the tables of docs/bill.md: of each operation, and of what bounds of a deployment
// allow.
func Tables() string {
	var b strings.Builder
	b.WriteString("| operation | write units | read units | instances, ms | KB out | times an hour, one connection | $, before | $, after | " +
		"$ with 1,000 connections, before | $, after | $, bounded |\n|---|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|\n")
	was := Before()
	for i, u := range After() {
		times, now := u.Hour(one)
		_, then := was[i].Hour(one)
		_, manyThen := was[i].Hour(many)
		_, manyNow := u.Hour(many)
		_, bounded := u.Hour(chosen)
		fmt.Fprintf(&b, "| %s | %s | %s | %s | %s | %s | %s | %s | %s | %s | %s |\n", u.Name, figure(u.Write), figure(u.Read),
			figure(u.Agent.MS+u.Worker.MS+u.Push.MS), figure(u.Out+u.Posted), figure(times), figure(then), figure(now), figure(manyThen), figure(manyNow), figure(bounded))
	}
	b.WriteString("\n| an hour, at most | the account's limits | `MaxConcurrency=100`, `MaxUnits=4000` | `MaxConcurrency=20`, `MaxUnits=1000` |\n|---|--:|--:|--:|\n")
	for _, row := range []struct {
		name string
		of   func(Bounds) float64
	}{
		{"agent and worker, always at work, $", func(b Bounds) float64 { return 2 * b.Instances * instanceHour("agent") }},
		{"push function, always at work, $", func(b Bounds) float64 { return b.Push * instanceHour("push") }},
		{"DynamoDB, each unit used, $", func(b Bounds) float64 { return 3600 * b.Units * (prices.Write + prices.Read) }},
		{"as many requests as Lambda takes, and their log, $", func(b Bounds) float64 {
			return 3600 * perInstance * b.Instances * (prices.LambdaRequest + (platformKB+logKB)/gb*prices.Log)
		}},
		{"REST API, 100 requests a second, $", func(Bounds) float64 { return 3600 * 100 * prices.API }},
		{"sweeper, always at work, $", func(Bounds) float64 { return instanceHour("sweeper") }},
	} {
		fmt.Fprintf(&b, "| %s | %s | %s | %s |\n", row.name, figure(row.of(many)), figure(row.of(chosen)), figure(row.of(small)))
	}
	fmt.Fprintf(&b, "| what leaves AWS, for each Gbit/s that callers and webhooks take, $ | %[1]s | %[1]s | %[1]s |\n", figure(3600.0/8*prices.Leaving))
	b.WriteString("\n| one task, an hour, at most | $, before | $, after |\n|---|--:|--:|\n")
	push := instanceHour("push")
	for _, row := range []struct {
		name          string
		before, after float64
	}{
		{"a thousand instances that follow it", many.Instances * instanceHour("agent"), tasklog.MaxSeats * instanceHour("agent")},
		{"a webhook that takes all it gets", lineKB*hourMS/gb*prices.Leaving + push, hookKB/gb*prices.Leaving + hookKB/lineKB/hourMS*push},
		{"a webhook that is always behind, and answers late", push, hookMS / hourMS * push},
	} {
		fmt.Fprintf(&b, "| %s | %s | %s |\n", row.name, figure(row.before), figure(row.after))
	}
	return b.String()
}

// hookKB and hookMS are what a configuration gets, and how long it may have an instance wait, in an
// hour: hourBytes and hourWait of internal/webhook, as docs/bill.md says.
const (
	hookKB = 100 << 20 / 1e3
	hookMS = 6 * 60e3
)

// logKB is about what a function logs of a request.
const logKB = 1.0

// instanceHour returns what an instance of a function costs in an hour.
func instanceHour(function string) float64 {
	return 3600 * float64(stack.Memory[function]) / 1024 * prices.LambdaARM
}

// figure writes two significant digits, and thousands with commas.
func figure(x float64) string {
	if x == 0 {
		return "0"
	}
	scale := math.Pow(10, math.Floor(math.Log10(math.Abs(x)))-1)
	x = math.Round(x/scale) * scale
	if math.Abs(x) < 10 {
		return strconv.FormatFloat(x, 'g', 2, 64)
	}
	s := strconv.FormatFloat(x, 'f', 0, 64)
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}
