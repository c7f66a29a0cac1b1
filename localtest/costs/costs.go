// Package costs compares what hosting an agent costs: by this project, and elsewhere. TestMeasured
// measures what a task of each agent uses, and [Table] is that of docs/costs.md.
package costs

import (
	_ "embed"
	"encoding/json"
	"fmt"
	"math"
	"strings"

	"a2alambda/localtest/prices"
	"a2alambda/localtest/stack"
)

// Use is what one task uses.
type Use struct {
	Name string
	// Instance is how many seconds an instance has the task, CPU how many of them a CPU is at work,
	// and Lasts how long the task takes.
	Instance, CPU, Lasts float64
	Invocations          float64
	Write, Read          float64 // DynamoDB's units, with the indexes
	StoredKB             float64
	// Steps is how many operations a durable function would need: its start, and each step and wait.
	Steps float64
}

//go:embed measured.json
var measured []byte

// Measured returns what was measured.
func Measured() (all []Use) {
	if err := json.Unmarshal(measured, &all); err != nil {
		panic("costs: " + err.Error())
	}
	return all
}

// What is assumed. docs/costs.md says it in words.
const (
	days  = 30.0
	month = days * 24 // hours
	day   = 86400.0   // seconds

	// peak is how many times the mean the traffic is at its peak.
	peak = 4.0

	logKB = 2.0 // of a task

	// A Fargate task has a quarter of a vCPU and half a GB. It is at work for half of its CPU at
	// most, and holds 400 streams.
	fargateCPU, fargateGB = 0.25, 0.5
	fargateBusy           = 0.5
	fargateStreams        = 400.0

	// A session of AgentCore has a quarter of a GB in use. It ends idleS after its task.
	coreGB = 0.25
	idleS  = 15 * 60.0

	// durableS is what an invocation with a journal takes beside the work that it waits for, here and
	// there.
	durableS = 0.2

	sweepsR = 17.5 // read units of a sweep of nothing
	sweepS  = 0.1
	gb      = 1e6 // KB
)

// row is a way to host an agent. Each returns dollars for a month.
type row struct {
	name string
	cost func(u Use, perDay float64) float64
}

var rows = []row{
	{"this", func(u Use, n float64) float64 {
		return n*days*(lambda(u.Instance)+u.Invocations*prices.LambdaRequest+table(u)+logKB/gb*prices.Log) + sweeper()
	}},
	{"of that, DynamoDB", func(u Use, n float64) float64 { return n * days * table(u) }},
	{"Fargate: this as a server, tasks in DynamoDB", func(u Use, n float64) float64 {
		return fargate(u, n) + n*days*(table(u)+logKB/gb*prices.Log)
	}},
	{"Fargate: a server that keeps tasks in memory", func(u Use, n float64) float64 {
		return fargate(u, n) + n*days*logKB/gb*prices.Log
	}},
	{"AgentCore Runtime, sessions end with the task", func(u Use, n float64) float64 { return n * days * core(u, 0) }},
	{"AgentCore Runtime, sessions end after 15 idle minutes", func(u Use, n float64) float64 { return n * days * core(u, idleS) }},
	{"Lambda durable functions, no streams", func(u Use, n float64) float64 {
		waits := u.Instance
		if u.Lasts > u.Instance+1 { // it waits outside of its steps
			waits = durableS * u.Invocations
		}
		return n * days * (u.Steps*prices.DurableOperation + lambda(waits) + u.Invocations*prices.LambdaRequest + logKB/gb*prices.Log)
	}},
}

func lambda(seconds float64) float64 {
	return seconds * float64(stack.Memory["agent"]) / 1024 * prices.LambdaARM
}

// table returns what a task costs in DynamoDB, stored for a month.
func table(u Use) float64 {
	return u.Write*prices.Write + u.Read*prices.Read + u.StoredKB/gb*prices.Stored
}

func sweeper() float64 {
	memory := float64(stack.Memory["sweeper"]) / 1024
	return days * 24 * 60 * (sweepsR*prices.Read + prices.LambdaRequest + sweepS*memory*prices.LambdaARM)
}

// fargate returns what servers for the peak, and their balancer, cost in a month.
func fargate(u Use, perDay float64) float64 {
	rate := peak * perDay / day
	servers := max(1, math.Ceil(rate*u.Lasts/fargateStreams), math.Ceil(rate*u.CPU/(fargateCPU*fargateBusy)))
	balancer := prices.BalancerHour + math.Ceil(perDay/day/25)*prices.BalancerUnit
	return month * (servers*(fargateCPU*prices.FargateCPU+fargateGB*prices.FargateMemory) + balancer)
}

// core returns what a task costs on AgentCore, as a session of its own.
func core(u Use, idle float64) float64 {
	return u.CPU/3600*prices.AgentCoreCPU + (u.Lasts+idle)/3600*coreGB*prices.AgentCoreMemory
}

// Table returns the tables of docs/costs.md: what a task uses, and dollars a month, for tasks and for
// streams that stand all day.
func Table() string {
	var b strings.Builder
	b.WriteString("| a task of | lasts, s | an instance, s | CPU, s | write units | read units |\n|---|--:|--:|--:|--:|--:|\n")
	for _, u := range Measured() {
		fmt.Fprintf(&b, "| %s | %.0f | %.1f | %.2f | %.0f | %.0f |\n", u.Name, u.Lasts, u.Instance, u.CPU, u.Write, u.Read)
	}
	for _, u := range Measured() {
		fmt.Fprintf(&b, "\n| %s: $ a month | 1,000 a day | 100,000 | 1,000,000 |\n|---|--:|--:|--:|\n", u.Name)
		for _, r := range rows {
			fmt.Fprintf(&b, "| %s | %s | %s | %s |\n", r.name, dollars(r.cost(u, 1e3)), dollars(r.cost(u, 1e5)), dollars(r.cost(u, 1e6)))
		}
	}
	return b.String() + "\n" + standingTable()
}

// dollars writes two significant digits, and thousands with commas.
func dollars(x float64) string {
	if x < 10 {
		return fmt.Sprintf("%.2g", x)
	}
	digits := math.Pow(10, math.Floor(math.Log10(x))-1)
	s := fmt.Sprintf("%.0f", math.Round(x/digits)*digits)
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}
