package main

import (
	"math"
	"testing"
	"time"

	"a2alambda/localtest/dynamodblocal"
)

func TestPrice(t *testing.T) {
	c := billed(dynamodblocal.Units{Write: 14, Read: 5}, 3021*time.Millisecond+time.Microsecond)
	if c.ms != 3022 || c.requests != 1 {
		t.Errorf("billed are %v ms and %v requests", c.ms, c.requests)
	}
	dynamo, lambda := reported.million(c)
	if want := 14*0.625 + 5*0.125; dynamo != want {
		t.Errorf("DynamoDB costs %v, want %v", dynamo, want)
	}
	if want := 3.022*0.5*13.3334 + 0.20; math.Abs(lambda-want) > 1e-9 {
		t.Errorf("Lambda costs %v, want %v", lambda, want)
	}
}
