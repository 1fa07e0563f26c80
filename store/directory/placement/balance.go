package placement

import (
	"cmp"
	"math"
	"slices"
)

// Transfer is so many accounts that are to leave a machine for another one.
type Transfer struct {
	From, To string
	Accounts int
}

// Balance returns the fewest moves after which each of the machines has its share of the
// accounts, by its room. Counts has the accounts of each machine; those of a machine that
// is not among them, or has no room, stay out of it.
func Balance(counts map[string]int, all []Machine) []Transfer {
	open := New(all).open
	total, room := 0, 0.0
	for _, m := range open {
		total += counts[m.Name]
		room += m.Room
	}
	type machine struct {
		name string
		over int // accounts above its share
	}
	var machines []machine
	given := 0
	for _, m := range open {
		share := float64(total) * m.Room / room
		whole := int(math.Floor(share))
		given += whole
		machines = append(machines, machine{m.Name, counts[m.Name] - whole})
	}
	// Those that are above their share keep what is left of the division.
	slices.SortStableFunc(machines, func(a, b machine) int { return cmp.Compare(b.over, a.over) })
	for i := range min(total-given, len(machines)) {
		machines[i].over--
	}
	var transfers []Transfer
	for i, j := 0, len(machines)-1; i < j; {
		switch from, to := &machines[i], &machines[j]; {
		case from.over <= 0:
			i = j
		case to.over >= 0:
			j--
		default:
			n := min(from.over, -to.over)
			transfers = append(transfers, Transfer{from.name, to.name, n})
			from.over, to.over = from.over-n, to.over+n
			if from.over == 0 {
				i++
			}
		}
	}
	return transfers
}
