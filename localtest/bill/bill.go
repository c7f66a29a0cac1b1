// Package bill computes what one caller can make the owner of a deployment spend in an hour.
// TestUse measures what each operation uses, [Before] and [After] are what it has found, and
// [Tables] are those of docs/bill.md.
package bill

import (
	_ "embed"
	"encoding/json"

	"a2alambda/localtest/prices"
	"a2alambda/localtest/stack"
)

// What is assumed, all in the caller's favour.
const (
	// lineKB is what one connection transfers in a millisecond: 25 MB/s. Lambda sends no more than 2
	// MB/s after the first 6 MB of an answer.
	lineKB   = 25.0
	streamKB = 2.0
	freeKB   = 6000.0

	// betweenMS is what passes at least, on one connection, between two requests that take no time:
	// the network, and Lambda's own part.
	betweenMS = 5.0

	// perInstance is how many requests a second Lambda takes for each instance that a function may have.
	// https://docs.aws.amazon.com/lambda/latest/dg/lambda-concurrency.html
	perInstance = 10.0

	// askMS is how long one request to DynamoDB takes. An operation makes them one after the other.
	askMS = 4.0

	// platformKB is what Lambda itself logs of an invocation.
	platformKB = 1.0
)

// Work is what a function does for an operation. MS are milliseconds, as billed.
type Work struct{ Invocations, MS float64 }

// Use is what an operation uses, or several of them that belong together.
type Use struct {
	Name                string
	Agent, Worker, Push Work
	Write, Read         float64 // DynamoDB's units, with the indexes
	// In, Out, Posted, Logged and Stored are KB: of the requests, of the answers, of what webhooks get, of the log, of the table.
	In, Out, Posted, Logged, Stored float64
}

//go:embed measured/before.json
var before []byte

//go:embed measured/after.json
var after []byte

// Before returns what was measured before there were bounds for callers, and After what is measured
// now. The operations of After are those of Before, in the same order.
func Before() []Use { return decode(before) }

// After is described with [Before].
func After() []Use { return decode(after) }

func decode(data []byte) (all []Use) {
	if err := json.Unmarshal(data, &all); err != nil {
		panic("bill: " + err.Error())
	}
	return all
}

// Bounds are what a caller can have of a deployment.
type Bounds struct {
	Connections float64 // that send one request after the other
	Instances   float64 // of the agent, and as many of the worker
	Push        float64 // instances of the push function
	Units       float64 // write units a second, and as many read units, of the table and its indexes together
}

// An account's own limits, if nobody has raised them, and a caller with one connection, and with as
// many as there are instances. DynamoDB's quota is for a table with its indexes.
var (
	one  = Bounds{Connections: 1, Instances: 1000, Push: 1000, Units: 40000}
	many = Bounds{Connections: 1000, Instances: 1000, Push: 1000, Units: 40000}
	// chosen is with MaxConcurrency=100 and MaxUnits=4000, which holds for the table and for each of
	// its two indexes.
	chosen = Bounds{Connections: 1000, Instances: 100, Push: 20, Units: 3 * 4000}
	small  = Bounds{Connections: 1000, Instances: 20, Push: 20, Units: 3 * 1000}
)

const (
	hourMS = 3600e3
	gb     = 1e6 // KB
)

// took returns the milliseconds from one request to the next, on one connection.
func (u Use) took() float64 { return u.In/lineKB + u.Agent.MS + u.Agent.Invocations*betweenMS }

// sendingMS returns how long an answer takes to leave.
func sendingMS(kb float64) float64 {
	return min(kb, freeKB)/lineKB + max(0, kb-freeKB)/streamKB
}

// Hour returns how often an operation can be done in an hour, and what that costs in dollars. A
// task is stored for the 30 days of RetentionDays, which are paid for in later hours.
func (u Use) Hour(b Bounds) (times, dollars float64) {
	times = min(b.Connections*hourMS/u.took(), b.Instances*hourMS/u.Agent.MS, b.Instances*perInstance*3600/u.Agent.Invocations)
	for _, units := range []float64{u.Write, u.Read} {
		if units > 0 {
			times = min(times, b.Units*3600/units) // beyond, the table throttles
		}
	}
	// What there are no instances for waits, or is lost.
	served := func(w Work, instances float64) float64 {
		if w.MS == 0 {
			return 0
		}
		return min(times, instances*hourMS/w.MS)
	}
	worked, pushed := served(u.Worker, b.Instances), served(u.Push, b.Push)
	function := func(name string, w Work, times float64) float64 {
		return times * (w.Invocations*prices.LambdaRequest + w.MS/1000*float64(stack.Memory[name])/1024*prices.LambdaARM)
	}
	dollars = function("agent", u.Agent, times) + function("worker", u.Worker, worked) + function("push", u.Push, pushed)
	invocations := times*u.Agent.Invocations + worked*u.Worker.Invocations + pushed*u.Push.Invocations
	dollars += times * (u.Write*prices.Write + u.Read*prices.Read)
	dollars += (times*u.Logged + invocations*platformKB) / gb * prices.Log
	dollars += times * u.Stored / gb * prices.Stored
	dollars += (times*u.Out + pushed*u.Posted) / gb * prices.Leaving
	dollars += times * max(0, u.Out-freeKB) / gb * prices.LambdaStream
	return times, dollars
}
