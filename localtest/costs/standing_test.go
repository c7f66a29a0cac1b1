package costs

import (
	"encoding/json"
	"os"
	"slices"
	"testing"

	"a2alambda/localtest"
)

// TestStanding compares what a stream that stands is assumed to take with what the benchmark has
// measured: memory of a thousand streams at once and more, since a process may have much garbage however few it
// has, and CPU of a hundred.
func TestStanding(t *testing.T) {
	data, err := os.ReadFile("../bench/results/samples.json")
	localtest.Must(t, err)
	var results struct {
		Sections []struct {
			Name   string
			Series []struct {
				System, What string
				Values       []float64
			}
		}
	}
	localtest.Must(t, json.Unmarshal(data, &results))
	measured := map[string]float64{}
	for _, section := range results.Sections {
		for _, s := range section.Series {
			if section.Name == "dense" && s.System == "a2alambda, dynoxide" {
				measured[s.What] = slices.Max(s.Values)
			}
		}
	}
	const lasts = 3 // seconds, of each stream
	memory, silent, talking := max(measured["memory a stream, 1,000 at once"], measured["memory a stream, 4,000 at once"]), measured["CPU of a silent stream in a second, 100 at once"],
		measured["CPU a stream, 100 at once"]/lasts
	if memory > streamKB || 8*memory < streamKB || silent == 0 || silent > streamMS || 3*talking < streamMS {
		t.Errorf("a stream takes %v KB and, in a second, %v ms of CPU when silent, %v when it talks; %v and %v are assumed",
			memory, silent, talking, streamKB, streamMS)
	}
	if n := managed(10); n != managedLeast {
		t.Errorf("10 streams have %v instances", n)
	}
	if n := managed(10_000); n != 10 {
		t.Errorf("10,000 streams have %v instances", n)
	}
}
