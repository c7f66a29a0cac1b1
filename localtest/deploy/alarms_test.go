package deploy_test

import (
	"encoding/json"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"a2alambda/localtest"
	"a2alambda/localtest/deploy"
)

type alarm struct {
	period, evaluated, toAlarm int
	threshold                  float64
	comparison, missing        string
	// metrics are the alarm's metric, named "", or the metrics of its expression.
	metrics    map[string]statistic
	expression string
}

type statistic struct{ metric, stat string }

func alarmOf(tm *deploy.Template, name string) (alarm, error) {
	data, err := json.Marshal(tm.Resources[name].Properties)
	if err != nil {
		return alarm{}, err
	}
	var p struct {
		MetricName, Statistic                        string
		Period, EvaluationPeriods, DatapointsToAlarm int
		Threshold                                    float64
		ComparisonOperator, TreatMissingData         string
		Metrics                                      []struct {
			ID, Expression string
			MetricStat     struct {
				Metric struct{ MetricName string }
				Period int
				Stat   string
			}
		}
	}
	if err := json.Unmarshal(data, &p); err != nil {
		return alarm{}, err
	}
	a := alarm{p.Period / 60, p.EvaluationPeriods, p.DatapointsToAlarm, p.Threshold, p.ComparisonOperator, p.TreatMissingData, map[string]statistic{}, ""}
	if p.MetricName != "" {
		a.metrics[""] = statistic{p.MetricName, p.Statistic}
	}
	for _, m := range p.Metrics {
		if m.Expression != "" {
			a.expression = m.Expression
			continue
		}
		a.metrics[m.ID], a.period = statistic{m.MetricStat.Metric.MetricName, m.MetricStat.Stat}, m.MetricStat.Period/60
	}
	return a, nil
}

// sample is a value of a metric. Its date is a minute: of Lambda's Errors, the minute in which the
// invocation began. CloudWatch knows it from a later minute on.
type sample struct {
	metric      string
	dated, seen int
	value       float64
}

// states returns an alarm's state after each minute. It is a model of CloudWatch, after AWS's
// description. Each minute, CloudWatch evaluates the alarm's most recent periods. It also looks
// further back, by a number of periods that AWS does not publish (two, in its examples). If it
// finds as many data points as the alarm evaluates, it takes the most recent ones, however old. If
// not, it takes all, and TreatMissingData says what the missing ones count as.
//
// https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/alarm-evaluation.html and
// alarms-and-missing-data.html
func (a alarm) states(samples []sample, minutes, further int) []string {
	state, states := "INSUFFICIENT_DATA", []string{}
	for now := range minutes {
		var points []float64 // newest first
		for k := range a.evaluated + further {
			end := now - k*a.period
			if point, ok := a.point(samples, end-a.period, end, now); ok {
				points = append(points, point)
			}
		}
		points = points[:min(len(points), a.evaluated)]
		filled := a.evaluated - len(points)
		breaching := 0
		for _, p := range points {
			if a.breaches(p) {
				breaching++
			}
		}
		switch {
		case filled > 0 && a.missing == "breaching":
			breaching += filled
		case filled > 0 && a.missing == "ignore" && breaching < a.toAlarm:
			states = append(states, state)
			continue
		}
		if state = "OK"; breaching >= a.toAlarm {
			state = "ALARM"
		}
		states = append(states, state)
	}
	return states
}

func (a alarm) breaches(p float64) bool {
	switch a.comparison {
	case "GreaterThanThreshold":
		return p > a.threshold
	case "GreaterThanOrEqualToThreshold":
		return p >= a.threshold
	case "LessThanThreshold":
		return p < a.threshold
	}
	panic("unknown comparison " + a.comparison)
}

// point returns a period's data point, as far as it is known by now.
func (a alarm) point(samples []sample, from, to, now int) (float64, bool) {
	values := map[string]float64{}
	for id, m := range a.metrics {
		var of []float64
		for _, s := range samples {
			if s.metric == m.metric && from <= s.dated && s.dated < to && s.seen <= now {
				of = append(of, s.value)
			}
		}
		if len(of) == 0 {
			return 0, false // an expression needs values of all its metrics
		}
		switch m.stat {
		case "Sum":
			for _, v := range of {
				values[id] += v
			}
		case "Maximum":
			values[id] = slices.Max(of)
		case "SampleCount":
			values[id] = float64(len(of))
		default:
			panic("unknown statistic " + m.stat)
		}
	}
	switch a.expression {
	case "":
		return values[""], true
	case "IF(slow >= 3, 100 * slow / streams, 0)":
		if values["slow"] < 3 {
			return 0, true
		}
		return 100 * values["slow"] / values["streams"], true
	case "100 * claimed / SERVICE_QUOTA(executions)":
		return 100 * values["claimed"] / quota, true
	}
	panic("unknown expression " + a.expression)
}

const quota = 1000 // the account's, in the series

var sampleText = regexp.MustCompile(`(\w+) ([\d.]+)(?:\*(\d+))?@(\d+)(?:-(\d+))?(?:/(\d+))?`)

// series reads samples: "Errors 1@0/16" has value 1, date minute 0, and is known in minute 16.
// "Errors 0@0-60/1" is one in each minute, known a minute later; "streams 1*1000@5" are a thousand.
func series(t *testing.T, text string) (samples []sample) {
	t.Helper()
	all := sampleText.FindAllStringSubmatch(text, -1)
	if len(all) != strings.Count(text, "@") {
		t.Fatalf("these are no samples: %s", text)
	}
	for _, m := range all {
		number := func(i, otherwise int) int {
			if n, err := strconv.Atoi(m[i]); err == nil {
				return n
			}
			return otherwise
		}
		value, err := strconv.ParseFloat(m[2], 64)
		localtest.Must(t, err)
		from := number(4, 0)
		for dated := from; dated <= number(5, from); dated++ {
			for range number(3, 1) {
				samples = append(samples, sample{m[1], dated, dated + number(6, 1), value})
			}
		}
	}
	return samples
}

// TestAlarms evaluates each alarm of the template over series that are sparse, and come late.
func TestAlarms(t *testing.T) {
	tm := deploy.Read(t)
	const (
		slowStream = "slowStreams 1@5; slowStreams 1@8; slowStreams 1@17;"
		waiting    = "ApproximateNumberOfMessagesVisible 1@10;"
	)
	tried := map[string]bool{}
	for _, c := range []struct {
		alarms, series string
		rings          bool
		from           int // the latest minute in which the alarm starts
	}{
		// A stream dies at 900 seconds: its date is its beginning, it is known 16 minutes later.
		{"NewVersionErrorsAlarm AgentErrorsAlarm ManagedErrorsAlarm WorkerErrorsAlarm", "Errors 1@10/16;", true, 27},
		{"NewVersionErrorsAlarm AgentErrorsAlarm WorkerErrorsAlarm", "Errors 1@10/16; Errors 0@0-119;", true, 27},
		// An error at once is seen within a canary of five minutes.
		{"NewVersionErrorsAlarm AgentErrorsAlarm WorkerErrorsAlarm SweeperErrorsAlarm CallbackErrorsAlarm", "Errors 1@10/2;", true, 13},
		{"NewVersionErrorsAlarm AgentErrorsAlarm ManagedErrorsAlarm WorkerErrorsAlarm SweeperErrorsAlarm CallbackErrorsAlarm", "Errors 0@0-119;", false, 0},
		{"NewVersionErrorsAlarm AgentErrorsAlarm WorkerErrorsAlarm SweeperErrorsAlarm CallbackErrorsAlarm", "", false, 0},
		{"SweeperErrorsAlarm", "Errors 1@10/3; Errors 0@0-119;", true, 14},
		{"InternalErrorsAlarm", "errors 1@10/3;", true, 14},
		{"InternalErrorsAlarm", "", false, 0},
		{"ParkedAlarm", "parked 1@10/3;", true, 14},
		{"ParkedAlarm", "", false, 0},
		// The table is slow for a minute, but not for two.
		{"NewVersionInternalErrorsAlarm", "errors 7@10;", false, 0},
		{"NewVersionInternalErrorsAlarm", "errors 1@10; errors 1@13/2;", true, 16},
		{"AgentThrottledAlarm ManagedThrottledAlarm WorkerThrottledAlarm PushThrottledAlarm", "Throttles 1@10/3;", true, 14},
		{"AgentThrottledAlarm ManagedThrottledAlarm WorkerThrottledAlarm PushThrottledAlarm", "Throttles 0@0-119;", false, 0},
		{"AccountConcurrencyAlarm", "ClaimedAccountConcurrency 900@10-12; ConcurrentExecutions 900@10-12;", true, 14},
		{"AccountConcurrencyAlarm", "ClaimedAccountConcurrency 900@10; ConcurrentExecutions 1@0-119; ClaimedAccountConcurrency 100@11-119;", false, 0},
		{"TableThrottledAlarm", "throttles 5@10; throttles 5@13;", true, 15},
		{"TableThrottledAlarm", "throttles 9@10; throttles 9@20;", false, 0},
		{"OrphansAlarm FailuresAlarm", "recoveries 1@5; recoveries 1@9; recoveries 1@18; failures 1@5; failures 1@9; failures 1@18;", true, 20},
		{"OrphansAlarm FailuresAlarm", "recoveries 1@5; recoveries 1@9; recoveries 1@10/12; failures 1@5; failures 1@9; failures 1@10/12;", true, 26},
		{"OrphansAlarm FailuresAlarm", "recoveries 1@5; recoveries 1@9; recoveries 1@21; failures 1@5; failures 1@9; failures 1@21;", false, 0},
		// Few streams, all slow; many, and three of them slow; many, and one in fifty slow.
		{"SlowStreamsAlarm", slowStream + "firstByteMs 3000@5; firstByteMs 3000@8; firstByteMs 3000@17;", true, 19},
		{"SlowStreamsAlarm", slowStream + "firstByteMs 100*100@0-30;", false, 0},
		{"SlowStreamsAlarm", "slowStreams 1*2@0-30; firstByteMs 100*100@0-30;", true, 17},
		{"SlowStreamsAlarm", "firstByteMs 100@0-119;", false, 0},
		{"PushesLateAlarm", "IteratorAge 301000@10/3;", true, 17},
		{"PushesLateAlarm", "IteratorAge 1000@0-119;", false, 0},
		{"SweeperSilentAlarm", "Invocations 1@0-119/3;", false, 0},
		{"SweeperSilentAlarm", "Invocations 1@0-30; Invocations 1@50-119;", true, 44},
		// SQS sends no metrics of a queue that nobody uses, until the message is deleted.
		{"FailedJobsAlarm FailedPushesAlarm", waiting + "ApproximateNumberOfMessagesVisible 0@90;", true, 15},
		{"FailedJobsAlarm FailedPushesAlarm", "ApproximateNumberOfMessagesVisible 0@5;", false, 0},
	} {
		for name := range strings.FieldsSeq(c.alarms) {
			tried[name] = true
			a, err := alarmOf(tm, name)
			if err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			for _, further := range []int{0, 2} {
				states := a.states(series(t, c.series), 180, further)
				if name == "SweeperSilentAlarm" {
					// Outside of these minutes there are no metrics, as if the sweeper did not run.
					states = states[13:120]
				}
				first := slices.Index(states, "ALARM")
				if name == "SweeperSilentAlarm" && first >= 0 {
					first += 13
				}
				if rings := first >= 0; rings != c.rings || rings && first > c.from {
					t.Errorf("%s in %q, looking %d periods further back: ALARM from minute %d on; want %t, by %d", name, c.series, further, first, c.rings, c.from)
				}
				if end := states[len(states)-1]; end != "OK" {
					t.Errorf("%s in %q, looking %d periods further back, ends with %s", name, c.series, further, end)
				}
				if strings.HasPrefix(name, "Failed") && c.rings && slices.Contains(states[first:90], "OK") {
					t.Errorf("%s ends before the message is gone: %v", name, states)
				}
			}
		}
	}
	for name, r := range tm.Resources {
		if r.Type == "AWS::CloudWatch::Alarm" && !tried[name] {
			t.Errorf("%s is not tried", name)
		}
	}

	// The model itself: an alarm on one minute never sees a value with a date 15 minutes ago.
	minute := alarm{1, 1, 1, 1, "GreaterThanOrEqualToThreshold", "notBreaching", map[string]statistic{"": {"Errors", "Sum"}}, ""}
	for _, further := range []int{0, 2} {
		if states := minute.states(series(t, "Errors 1@10/16; Errors 0@0-119"), 180, further); slices.Contains(states, "ALARM") {
			t.Errorf("the model rings on one minute: %v", states)
		}
	}
}

// TestAlarmsTell checks that each alarm notifies somebody when it begins and ends. The exceptions
// are the alarms that only take a version back: these, and no others, watch that version alone.
func TestAlarmsTell(t *testing.T) {
	tm := deploy.Read(t)
	preference, err := json.Marshal(tm.Resources["AgentFunction"].Properties["DeploymentPreference"])
	localtest.Must(t, err)
	const version = `{"Fn::GetAtt":["AgentFunction.Version","Version"]}`
	for name, r := range tm.Resources {
		if r.Type != "AWS::CloudWatch::Alarm" {
			continue
		}
		data, err := json.Marshal(r.Properties)
		localtest.Must(t, err)
		takesBack := strings.Contains(string(preference), `{"Ref":"`+name+`"}`)
		if of := strings.Contains(strings.ReplaceAll(string(data), `["AgentFunction","Version.Version"]`, `["AgentFunction.Version","Version"]`), version); of != takesBack {
			t.Errorf("%s takes a version back: %t; it is a version's own: %t", name, takesBack, of)
		}
		want := "HasAlarms"
		switch name {
		case "CallbackErrorsAlarm":
			want = "HasCallbackAlarms"
		case "ManagedErrorsAlarm", "ManagedThrottledAlarm":
			want = "HasManagedAlarms"
		}
		if tells := r.Properties["AlarmActions"] != nil && r.Properties["OKActions"] != nil; tells == takesBack || r.Condition != want {
			t.Errorf("%s tells somebody: %t; its condition: %s", name, tells, r.Condition)
		}
		if strings.Contains(string(data), "FILL(") || strings.Contains(string(data), "ExtendedStatistic") {
			t.Errorf("%s fills in what is missing, or watches a percentile: %s", name, data)
		}
	}
}
