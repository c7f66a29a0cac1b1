package main

import (
	"math"
	"testing"
	"time"

	"a2alambda/localtest/dynamodblocal"
)

func TestPrice(t *testing.T) {
	got := million(dynamodblocal.Units{Write: 14, Read: 5}, 3022*time.Millisecond, 512)
	if want := 14*0.625 + 5*0.125 + 3.022*0.5*13.3334 + 0.20; math.Abs(got-want) > 1e-9 {
		t.Errorf("a million costs %v, want %v", got, want)
	}
}
