package main

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"time"
)

// percentile returns the smallest sample that at least p percent of the samples do not exceed
// (nearest rank). It is 0 without samples.
func percentile(samples []float64, p float64) float64 {
	if len(samples) == 0 {
		return 0
	}
	sorted := slices.Sorted(slices.Values(samples))
	rank := int(math.Ceil(p / 100 * float64(len(sorted))))
	return sorted[min(max(rank, 1), len(sorted))-1]
}

// ms returns a duration in milliseconds, to the microsecond.
func ms(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }

// figure writes a number for people: with two digits, or all digits before the point.
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

// ratio writes a / b. A value of 0 was not measured.
func ratio(a, b float64) string {
	if a == 0 || b == 0 {
		return none
	}
	return figure(a/b) + "×"
}

// none fills a cell without a value.
const none = "–"

// table writes a Markdown table. The first column is text, the others are figures.
func table(rows [][]string) string {
	var b strings.Builder
	for i, cells := range rows {
		b.WriteString("| " + strings.Join(cells, " | ") + " |\n")
		if i == 0 {
			b.WriteString("|---" + strings.Repeat("|--:", len(cells)-1) + "|\n")
		}
	}
	return b.String()
}
