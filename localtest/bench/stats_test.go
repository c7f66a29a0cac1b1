package main

import (
	"testing"
)

func TestPercentile(t *testing.T) {
	hundred := make([]float64, 100)
	for i := range hundred {
		hundred[i] = float64(100 - i) // 1 … 100, the greatest first
	}
	for _, test := range []struct {
		samples []float64
		p, want float64
	}{
		{[]float64{7}, 50, 7},
		{[]float64{7}, 99, 7},
		{[]float64{2, 1}, 50, 1},
		{[]float64{3, 1, 2}, 50, 2},
		{[]float64{3, 1, 2}, 99, 3},
		{[]float64{3, 1, 2}, 0, 1},
		{hundred, 50, 50},
		{hundred, 99, 99},
		{hundred, 100, 100},
	} {
		if got := percentile(test.samples, test.p); got != test.want {
			t.Errorf("percentile %v of %v is %v, want %v", test.p, test.samples, got, test.want)
		}
	}
	if hundred[0] != 100 {
		t.Error("the samples were sorted in place")
	}
}

func TestFigure(t *testing.T) {
	for v, want := range map[float64]string{
		0: "0", 0.012: "0.012", 0.0047: "0.0047", 0.5: "0.50", 1.25: "1.2", 9.94: "9.9", 10.4: "10", 123.4: "123", 1234: "1,234", 123456: "123,456",
		1234567: "1,234,567", -1234: "-1,234", -0.5: "-0.50", -123: "-123",
	} {
		if got := figure(v); got != want {
			t.Errorf("%v is written %s, want %s", v, got, want)
		}
	}
}
