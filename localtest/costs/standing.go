package costs

import (
	"fmt"
	"math"
	"strings"

	"a2alambda/localtest/prices"
)

// What a stream takes that stands all day, in a process with many of them: its run mostly waits, and
// talks now and then. TestStanding compares it with what the benchmark has measured.
const (
	streamMS = 1.0   // of CPU in a second
	streamKB = 400.0 // of memory
)

const (
	// A Managed Instance is an m7g.large, whose memory the processes have but an eighth. It is at work for
	// half of its CPU at most, and three are there at the beginning.
	managedCPU, managedGB = 2.0, 8.0
	managedLeast          = 3.0
	forStreams            = 7.0 / 8

	// A stream on Lambda ends after 15 minutes, and begins again.
	lambdaMost = 15 * 60.0

	// A capacity unit of the balancer is for so many connections.
	balancerStreams = 3000.0
)

// standing are ways to host n streams that stand all day. Each returns dollars for a month.
var standing = []struct {
	name string
	cost func(n float64) float64
}{
	{"Lambda, an instance for each", func(n float64) float64 { return n*lambda(month*3600) + invocations(n) }},
	{"Lambda Managed Instances", func(n float64) float64 {
		return managed(n)*month*prices.M7gLarge*(1+prices.Management) + invocations(n)
	}},
	{"Fargate", func(n float64) float64 {
		servers := max(2, hosts(n, fargateCPU, fargateGB))
		balancer := prices.BalancerHour + math.Ceil(n/balancerStreams)*prices.BalancerUnit
		return month * (servers*(fargateCPU*prices.FargateCPU+fargateGB*prices.FargateMemory) + balancer)
	}},
	{"AgentCore Runtime, a session for each", func(n float64) float64 {
		return n * month * (streamMS/1000*prices.AgentCoreCPU + coreGB*prices.AgentCoreMemory)
	}},
	{"DynamoDB, for each of these", func(n float64) float64 {
		job := waiting()
		return n * month * 3600 / job.Lasts * (job.Write*prices.Write + job.Read*prices.Read)
	}},
}

// managed returns how many Managed Instances n streams need.
func managed(n float64) float64 { return max(managedLeast, hosts(n, managedCPU, managedGB)) }

// hosts returns how many hosts with so much n streams need, whatever runs out first.
func hosts(n, cpu, gb float64) float64 {
	return max(math.Ceil(n*streamMS/1000/(cpu*fargateBusy)), math.Ceil(n*streamKB/(1<<20)/(gb*forStreams)))
}

func invocations(n float64) float64 { return n * month * 3600 / lambdaMost * prices.LambdaRequest }

// waiting is the measured job that waits for all of its time.
func waiting() Use {
	for _, u := range Measured() {
		if u.Lasts == u.Instance && u.Lasts >= 600 {
			return u
		}
	}
	panic("costs: no job that waits was measured")
}

// standingTable is dollars a month for numbers of streams.
func standingTable() string {
	var b strings.Builder
	numbers := []float64{10, 100, 1000, 10000}
	b.WriteString("| streams that stand all day: $ a month | 10 | 100 | 1,000 | 10,000 |\n|---|--:|--:|--:|--:|\n")
	for _, s := range standing {
		b.WriteString("| " + s.name)
		for _, n := range numbers {
			b.WriteString(" | " + dollars(s.cost(n)))
		}
		b.WriteString(" |\n")
	}
	b.WriteString("| Managed Instances: how many")
	for _, n := range numbers {
		fmt.Fprintf(&b, " | %.0f", managed(n))
	}
	b.WriteString(" |\n")
	return b.String()
}
