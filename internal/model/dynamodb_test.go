package model_test

import (
	"flag"
	"testing"
	"time"

	"a2alambda/internal/durable/durabletest"
	"a2alambda/internal/dynamolog"
	"a2alambda/internal/tasklog"
	"a2alambda/localtest/dynamodblocal"
)

var (
	seedFlag = flag.Uint64("crash.seed", 0, "decides at which operations the agent is killed; 0 for one by the clock, which is printed")
	oneIn    = flag.Int("crash.onein", 3, "of the operations and faults one in so many is tried; 1 is all")
)

// TestCrashDynamoDB is TestCrash over DynamoDB, with the real clock. All of it:
//
//	go test ./internal/model -run TestCrashDynamoDB -timeout 1h -crash.onein 1
func TestCrashDynamoDB(t *testing.T) {
	t.Parallel()
	seed := *seedFlag
	if seed == 0 {
		seed = uint64(time.Now().UnixNano())
	}
	durabletest.Real(t, errand(new(scenes)), func(t *testing.T) tasklog.Store {
		client, table := dynamodblocal.Table(t)
		return dynamolog.New(client, table)
	}, seed, *oneIn, 24)
}
