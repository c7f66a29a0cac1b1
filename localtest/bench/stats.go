package main

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"time"
)

// percentile returns the least of the samples that p percent of them don't exceed (nearest rank). There must be one at least.
func percentile(samples []float64, p float64) float64 {
	sorted := slices.Sorted(slices.Values(samples))
	rank := int(math.Ceil(p / 100 * float64(len(sorted))))
	return sorted[min(max(rank, 1), len(sorted))-1]
}

// ms returns a duration in milliseconds, to the microsecond.
func ms(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }

// figure writes a number for people: two digits, or all that are before the point.
func figure(v float64) string {
	switch digits := math.Floor(math.Log10(math.Abs(v))); {
	case v == 0:
		return "0"
	case digits < 0:
		return fmt.Sprintf("%.*f", 1-int(digits), v)
	case digits < 1:
		return fmt.Sprintf("%.1f", v)
	}
	s := fmt.Sprintf("%.0f", v)
	for i := len(s) - 3; i > len(s)-len(strings.TrimPrefix(s, "-")); i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}

// p50p99 writes the two.
func p50p99(samples []float64) string {
	return figure(percentile(samples, 50)) + " – " + figure(percentile(samples, 99))
}

// ratio writes a / b.
func ratio(a, b float64) string {
	if a == 0 || b == 0 {
		return none
	}
	return figure(a/b) + "×"
}

// none is in a cell that has no value.
const none = "–"

// table is a Markdown table. The first column is text, the others are figures.
type table struct {
	head []string
	rows [][]string
}

func (t *table) add(cells ...string) { t.rows = append(t.rows, cells) }

func (t *table) markdown() string {
	var b strings.Builder
	row := func(cells []string) { b.WriteString("| " + strings.Join(cells, " | ") + " |\n") }
	row(t.head)
	b.WriteString("|---" + strings.Repeat("|--:", len(t.head)-1) + "|\n")
	for _, r := range t.rows {
		row(r)
	}
	return b.String()
}
