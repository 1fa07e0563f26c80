package cluster

import (
	"fmt"
	"strings"
	"time"

	"chatmaild/applets/command"
)

// clockNews is by how much clocks have to differ for status to speak of it: by more than a
// question may take (askTimeout), and than a time service corrects at a start.
const clockNews = 5 * time.Second

// clocks says which machines have another time than most of them, and by how much it is
// ahead. Where no time is that of most, it says which differ.
func clocks(machines []machineState) (advice []string) {
	var asked []machineState
	for _, m := range machines {
		if m.Role == writer || m.Role == copies {
			asked = append(asked, m)
		}
	}
	right, most := time.Duration(0), 0
	for _, m := range asked {
		n := 0
		for _, other := range asked {
			if differ(m.ahead, other.ahead) == 0 {
				n++
			}
		}
		if n > most {
			right, most = m.ahead, n
		}
	}
	const do = "timedatectl shows it; a time service keeps it right: apt install systemd-timesyncd"
	if 2*most <= len(asked) {
		var differing []string
		for _, m := range asked {
			differing = append(differing, fmt.Sprintf("%s (%s)", m.Name, signed(m.ahead)))
		}
		return []string{"the clocks of the machines differ, by this one's: " + strings.Join(differing, ", ") + "; on each, " + do}
	}
	for _, m := range asked {
		if d := differ(m.ahead, right); d != 0 {
			advice = append(advice, fmt.Sprintf("the clock of machine %s is %s: it dates mail, and expires it, by that; there, %s", m.Name, relative(d), do))
		}
	}
	return advice
}

// differ is by how much a is more than b, if that is worth a word.
func differ(a, b time.Duration) time.Duration {
	if d := a - b; d >= clockNews || d <= -clockNews {
		return d
	}
	return 0
}

func relative(d time.Duration) string {
	if d < 0 {
		return command.FormatDuration(-d) + " behind that of the others"
	}
	return command.FormatDuration(d) + " ahead of that of the others"
}

// signed is a duration with its sign.
func signed(d time.Duration) string {
	if d < 0 {
		return "-" + command.FormatDuration(-d)
	}
	return "+" + command.FormatDuration(d)
}
