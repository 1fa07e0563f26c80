package placement

import (
	"maps"
	"math/rand/v2"
	"testing"
)

func TestBalance(t *testing.T) {
	for _, tt := range []struct {
		counts map[string]int
		rooms  map[string]float64
		want   map[string]int // accounts afterwards
		moved  int
	}{
		{map[string]int{"a": 100}, map[string]float64{"a": 1}, map[string]int{"a": 100}, 0},
		{map[string]int{"a": 100}, map[string]float64{"a": 1, "b": 1}, map[string]int{"a": 50, "b": 50}, 50},
		{map[string]int{"a": 60, "b": 60}, map[string]float64{"a": 1, "b": 1, "c": 1}, map[string]int{"a": 40, "b": 40, "c": 40}, 40},
		{map[string]int{"a": 90}, map[string]float64{"a": 1, "b": 2}, map[string]int{"a": 30, "b": 60}, 60},
		{map[string]int{"a": 10, "b": 5}, map[string]float64{"a": 1, "b": 0}, map[string]int{"a": 10, "b": 5}, 0},
		{map[string]int{"a": 2, "b": 1, "c": 1}, map[string]float64{"a": 1, "b": 1, "c": 1}, map[string]int{"a": 2, "b": 1, "c": 1}, 0},
		{map[string]int{"z": 7}, map[string]float64{"a": 1, "b": 1}, map[string]int{"z": 7}, 0},
		{nil, nil, nil, 0},
	} {
		got, moved := balanced(t, tt.counts, tt.rooms)
		if !maps.Equal(got, tt.want) || moved != tt.moved {
			t.Errorf("%v by %v: got %v by %d moves, want %v by %d", tt.counts, tt.rooms, got, moved, tt.want, tt.moved)
		}
	}
}

// balanced does what Balance says.
func balanced(t *testing.T, counts map[string]int, rooms map[string]float64) (after map[string]int, moved int) {
	t.Helper()
	var machines []Machine
	for _, name := range []string{"a", "b", "c", "d", "e"} {
		if room, ok := rooms[name]; ok {
			machines = append(machines, Machine{Name: name, Room: room})
		}
	}
	after = maps.Clone(counts)
	for _, tr := range Balance(counts, machines) {
		if tr.Accounts <= 0 || after[tr.From] < tr.Accounts {
			t.Errorf("%v by %v: %+v", counts, rooms, tr)
		}
		after[tr.From] -= tr.Accounts
		after[tr.To] += tr.Accounts
		moved += tr.Accounts
	}
	return after, moved
}

// TestBalanceIsStable: what is balanced stays so, and each has its share, to one account.
func TestBalanceIsStable(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	for range 1000 {
		counts, rooms, total, room := map[string]int{}, map[string]float64{}, 0, 0.0
		for _, name := range []string{"a", "b", "c", "d", "e"}[:1+random.IntN(5)] {
			counts[name], rooms[name] = random.IntN(1000), float64(1+random.IntN(5))
			total, room = total+counts[name], room+rooms[name]
		}
		after, _ := balanced(t, counts, rooms)
		for name, n := range after {
			if share := float64(total) * rooms[name] / room; float64(n) < share-1 || float64(n) > share+1 {
				t.Errorf("%v by %v: %s gets %d, its share is %.1f", counts, rooms, name, n, share)
			}
		}
		if _, moved := balanced(t, after, rooms); moved > 0 {
			t.Errorf("%v by %v: moved again: %d", after, rooms, moved)
		}
	}
}
