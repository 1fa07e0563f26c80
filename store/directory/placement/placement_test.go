package placement

import (
	"errors"
	"fmt"
	"math"
	"testing"
)

const addresses = 100_000

func address(i int) string { return fmt.Sprintf("user%06d@chat.example", i) }

// home is where a list places an address.
func home(t *testing.T, m *Machines, i int) string {
	t.Helper()
	home, err := m.Home(address(i))
	if err != nil {
		t.Fatal(err)
	}
	return home
}

// TestShares holds that each machine gets accounts in proportion to its room, and one
// without room none.
func TestShares(t *testing.T) {
	rooms := map[string]float64{"a": 1, "b": 1, "c": 2, "d": 0, "e": -1, "f": 0.5}
	var all []Machine
	sum := 0.0
	for name, room := range rooms {
		all = append(all, Machine{Name: name, Room: room})
		sum += max(room, 0)
	}
	got := map[string]float64{}
	m := New(all)
	for i := range addresses {
		got[home(t, m, i)]++
	}
	for name, room := range rooms {
		want := max(room, 0) / sum * addresses
		if math.Abs(got[name]-want) > 4*math.Sqrt(want) { // standard deviations
			t.Errorf("%s with room %v has %v accounts, want %.0f", name, room, got[name], want)
		}
	}
}

// TestList holds that the order of the list is of no account, and that another machine
// takes some accounts from each, and moves none between the others.
func TestList(t *testing.T) {
	three := New([]Machine{{Name: "a", Room: 3}, {Name: "b", Room: 3}, {Name: "c", Room: 3}})
	turned := New([]Machine{{Name: "c", Room: 3}, {Name: "b", Room: 3}, {Name: "a", Room: 3}})
	four := New([]Machine{{Name: "a", Room: 3}, {Name: "b", Room: 3}, {Name: "c", Room: 3}, {Name: "d", Room: 3}})
	moved := 0
	for i := range addresses {
		old := home(t, three, i)
		if got := home(t, turned, i); got != old {
			t.Fatalf("%s: %s or %s", address(i), old, got)
		}
		switch got := home(t, four, i); got {
		case old:
		case "d":
			moved++
		default:
			t.Fatalf("%s moves from %s to %s", address(i), old, got)
		}
	}
	if moved < addresses*24/100 || moved > addresses*26/100 {
		t.Errorf("the fourth machine gets %d of %d", moved, addresses)
	}
}

// TestSameRoom holds that it does not matter how the highest score is found.
func TestSameRoom(t *testing.T) {
	m := New([]Machine{{Name: "a", Room: 3}, {Name: "b", Room: 3}, {Name: "c", Room: 3}})
	reckoned := &Machines{open: m.open}
	for i := range addresses {
		if got, want := home(t, m, i), home(t, reckoned, i); got != want {
			t.Fatalf("%s: %s or %s", address(i), got, want)
		}
	}
}

func TestNoMachine(t *testing.T) {
	for _, all := range [][]Machine{nil, {{Name: "a"}}} {
		if home, err := New(all).Home(address(1)); !errors.Is(err, ErrNoMachine) {
			t.Errorf("%v: got %q, %v", all, home, err)
		}
	}
}
