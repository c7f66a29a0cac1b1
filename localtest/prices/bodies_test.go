package prices_test

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"a2alambda/localtest/prices"
)

// TestPricesOfBodies checks what docs/deploy.md says of a file of 5 MB, whose units and requests
// dynamolog's TestPriceOfFile measures, and from which size on a bucket costs less.
func TestPricesOfBodies(t *testing.T) {
	text, err := os.ReadFile("../../docs/deploy.md")
	if err != nil {
		t.Fatal(err)
	}
	const month = 5.0 / 1024 // GB, for 30 days
	for _, dollars := range []float64{
		5149 * prices.Write, 1289 * prices.Read, month * prices.Stored,
		3*prices.Write + 2*prices.Put, 2*prices.Read + 2*prices.Get, month * prices.Kept,
	} {
		digits := 2
		if dollars < 2e-6 {
			digits = 1
		}
		figure := fmt.Sprintf("$%f", dollars)
		for i := len("$0."); i < len(figure); i++ { // to its first digits
			if figure[i] != '0' {
				figure = fmt.Sprintf("$%.*f", i-len("$0.")+digits, dollars)
				break
			}
		}
		if !strings.Contains(string(text), figure) {
			t.Errorf("docs/deploy.md does not have %s", figure)
		}
	}
	// Written once and read once, by the KB; an item of its own is one more unit to write, and one to read.
	costs := func(kb float64) (table, bucket float64) {
		return kb*prices.Write + kb/4*prices.Read, prices.Write + prices.Put + prices.Read + prices.Get
	}
	if table, bucket := costs(13); table > 1.5*bucket || table < bucket {
		t.Errorf("13 KB cost %g in the table and %g in a bucket", table, bucket)
	}
	if table, bucket := costs(64); table < 6*bucket {
		t.Errorf("64 KB cost %g in the table and %g in a bucket: dynamolog's largeFrom says a seventh", table, bucket)
	}
}
