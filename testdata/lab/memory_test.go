package lab

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

// idleMemory is what all ten daemons of ours may take together while nothing happens, in
// bytes: their proportional set sizes, so that what they share counts once.
// It is least when they have just given memory back. After some minutes of rest it is up to
// 39 MB, since the runtime takes 0.4 MB for itself in each of them when it first collects.
const idleMemory = 36_000_000

// restTimeout is several times what a daemon takes to give back what work took.
const restTimeout = 90 * time.Second

// daemonMemory has a line for each daemon of ours that runs: its name, its PSS and its
// peak in KiB (proc(5)), and the limit of its unit in bytes.
const daemonMemory = `for unit in $(systemctl list-units --type=service --state=running --plain --no-legend 'chatmaild-*' | cut -d ' ' -f 1)
do
	daemon=${unit%%.service}
	pid=$(systemctl show --property=MainPID --value $unit)
	echo ${daemon#chatmaild-} $(awk '/^Pss:/ { print $2 }' /proc/$pid/smaps_rollup) $(awk '/^VmHWM:/ { print $2 }' /proc/$pid/status) \
		$(systemctl show --property=MemoryMax --value $unit)
done`

// notAlways are daemons that a relay may do without, or that start when somebody connects.
var notAlways = []string{"acme", "queuewatch", "turn", "iroh", "websocket", "porter"}

// memory looks at what the daemons take at rest, and at how near each of them has come
// to the limit of its unit. What they took to start they give back within seconds.
func (p *proof) memory(t *testing.T) {
	var total, daemons int
	var found string
	t.Cleanup(func() {
		fmt.Fprintf(t.Output(), "%d daemons take %.1f MB at rest; name, PSS and peak in KiB, limit:\n%s\n", daemons, float64(total)/1e6, found)
	})
	until(deadline(t, restTimeout), t, "the daemons to rest", func() bool {
		total, daemons, found = 0, 0, p.script(t, daemonMemory)
		for line := range strings.Lines(found) {
			var name string
			var pss, peak, limit int
			if _, err := fmt.Sscan(line, &name, &pss, &peak, &limit); err != nil {
				t.Fatalf("%q: %v", line, err)
			}
			if peak<<10 > limit/2 {
				t.Errorf("%s has taken %d KiB, and may take %d bytes: want less than half of it", name, peak, limit)
			}
			total += pss << 10
			daemons++
		}
		return total <= idleMemory || t.Failed()
	})
	if daemons < len(mayWrite)-len(notAlways) {
		t.Errorf("%d daemons run, want all but %q at least", daemons, notAlways)
	}
}
