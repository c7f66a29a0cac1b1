package docs_test

import (
	"testing"

	"a2alambda/localtest/bill"
)

// TestBill compares the tables of docs/bill.md with those that follow from what was measured.
func TestBill(t *testing.T) {
	follows(t, "docs/bill.md", "<!-- bench: written by go test ./docs -run TestBill -update -->\n", "<!-- bench: end -->\n",
		"\n"+bill.Tables()+"\n", "measured is")
}
