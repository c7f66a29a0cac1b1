package docs_test

import (
	"testing"

	"a2alambda/localtest/costs"
	"a2alambda/localtest/prices"
)

// TestCosts compares the tables of docs/costs.md with those that follow from what was measured.
func TestCosts(t *testing.T) {
	follows(t, "docs/costs.md", "<!-- bench: written by go test ./docs -run TestCosts -update -->\n", "<!-- bench: end -->\n",
		"\nPrices of "+prices.Date+".\n\n"+costs.Table()+"\n", "measured is")
}
