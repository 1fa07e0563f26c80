package main

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"chatmaild/testdata/lab"
)

// processors has a line for each service: its name, and the processor time that all of its
// processes have used, in µs.
const processors = `find /sys/fs/cgroup/system.slice -name '*.service' | while read -r dir
do
	echo "${dir##*/}" "$(awk '$1 == "usage_usec" { print $2 }' "$dir/cpu.stat")"
done`

// memory has a line for each process of each service: both names, and the proportional
// set size in KiB, so that what processes share counts once.
const memory = `find /sys/fs/cgroup/system.slice -name '*.service' | while read -r dir
do
	for pid in $(find "$dir" -name cgroup.procs -exec cat {} +)
	do
		echo "${dir##*/}" "$(tr ' ' _ </proc/$pid/comm)" "$(awk '$1 == "Pss:" { print $2 }' /proc/$pid/smaps_rollup)"
	done
done`

// readProcessors is the processor time that each service has used.
func readProcessors(ctx context.Context, relay *lab.Relay) (map[string]time.Duration, error) {
	out, err := relay.Script(ctx, processors)
	if err != nil {
		return nil, err
	}
	used := map[string]time.Duration{}
	for line := range strings.Lines(out) {
		var service string
		var micros int64
		if _, err := fmt.Sscan(line, &service, &micros); err != nil {
			return nil, fmt.Errorf("processor time %q: %w", line, err)
		}
		used[shortName(service)] += time.Duration(micros) * time.Microsecond
	}
	return used, nil
}

// shortName is a service's without what systemd needs of it.
func shortName(service string) string {
	name := strings.TrimPrefix(strings.TrimSuffix(service, ".service"), "chatmaild-")
	return strings.TrimSuffix(name, "@-")
}

// held is the memory of processes of one program.
type held struct{ processes, kib int }

// printMemory prints what the services take, and below Dovecot and Postfix what their
// programs do.
func printMemory(ctx context.Context, w io.Writer, relay *lab.Relay) error {
	out, err := relay.Script(ctx, memory)
	if err != nil {
		return err
	}
	services, programs := map[string]held{}, map[string]map[string]held{}
	var total held
	for line := range strings.Lines(out) {
		var service, program string
		var kib int
		if _, err := fmt.Sscan(line, &service, &program, &kib); err != nil {
			continue // it has just ended
		}
		service = shortName(service)
		if programs[service] == nil {
			programs[service] = map[string]held{}
		}
		services[service] = held{services[service].processes + 1, services[service].kib + kib}
		p := programs[service][program]
		programs[service][program] = held{p.processes + 1, p.kib + kib}
		total = held{total.processes + 1, total.kib + kib}
	}
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(t, "at rest\tprocesses\tPSS MiB\t")
	line := func(name string, h held) { fmt.Fprintf(t, "%s\t%d\t%.1f\t\n", name, h.processes, float64(h.kib)/1024) }
	for _, service := range largest(services) {
		line(service, services[service])
		if len(programs[service]) > 1 {
			for _, program := range largest(programs[service]) {
				line("· "+program, programs[service][program])
			}
		}
	}
	line("all", total)
	d, a := services["dovecot"], services["doveauth"]
	line("dovecot and doveauth", held{d.processes + a.processes, d.kib + a.kib})
	return t.Flush()
}

// largest has the names of those that take most first.
func largest(of map[string]held) []string {
	return slices.SortedFunc(maps.Keys(of), func(a, b string) int {
		return cmp.Or(cmp.Compare(of[b].kib, of[a].kib), strings.Compare(a, b))
	})
}
