package cluster

import (
	"slices"
	"strings"
	"testing"
	"time"
)

// TestClocks names the machine whose clock is not that of most, wherever one asks.
func TestClocks(t *testing.T) {
	const h, s = time.Hour, time.Second
	for _, test := range []struct {
		ahead []time.Duration // of a, b and so on; the first asks
		want  []string        // a part of each
	}{
		{[]time.Duration{0}, nil},
		{[]time.Duration{0, 4 * s, -4 * s}, nil},
		{[]time.Duration{0, h, 0}, []string{"machine b is 1h00m ahead"}},
		{[]time.Duration{0, -h, -h + s}, []string{"machine a is 1h00m ahead"}},
		{[]time.Duration{0, -h, 0, 2 * h, 0}, []string{"machine b is 1h00m behind", "machine d is 2h00m ahead"}},
		{[]time.Duration{0, h}, []string{"a (+0s), b (+1h00m)"}},
		{[]time.Duration{0, h, 0, h}, []string{"differ"}},
		{[]time.Duration{0, h, -h}, []string{"c (-1h00m)"}},
	} {
		var machines []machineState
		for i, d := range test.ahead {
			machines = append(machines, machineState{Name: string(rune('a' + i)), Role: copies, ahead: d})
		}
		machines = append(machines, machineState{Name: "x", Role: silent}, machineState{Name: "y", Role: joining})
		got := clocks(machines)
		if !slices.EqualFunc(got, test.want, strings.Contains) {
			t.Errorf("%v: got %q, want %q", test.ahead, got, test.want)
		}
	}
}
