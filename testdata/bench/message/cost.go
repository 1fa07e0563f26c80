package main

import (
	"cmp"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"chatmaild/testdata/lab"
	"chatmaild/testdata/lab/usage"
)

// readProcessors is the processor time that each service has used.
func readProcessors(relay *lab.Relay) (map[string]time.Duration, error) {
	u, err := usage.ReadCPU(relay.Host)
	used := map[string]time.Duration{}
	for name, s := range u.Services {
		used[name] = s.CPU
	}
	return used, err
}

// printMemory prints what the services take, and below Dovecot and Postfix what their
// programs do.
func printMemory(w io.Writer, relay *lab.Relay) error {
	u, err := usage.Read(relay.Host)
	if err != nil {
		return err
	}
	services := map[string]usage.Program{}
	for name, s := range u.Services {
		services[name] = s.Sum()
	}
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(t, "at rest\tprocesses\tPSS MiB\t")
	line := func(name string, p usage.Program) {
		fmt.Fprintf(t, "%s\t%d\t%.1f\t\n", name, p.Processes, float64(p.PSS)/(1<<20))
	}
	for _, service := range largest(services) {
		line(service, services[service])
		if programs := u.Services[service].Programs; len(programs) > 1 {
			for _, program := range largest(programs) {
				line("· "+program, programs[program])
			}
		}
	}
	line("all", u.Sum())
	d, a := services["dovecot"], services["doveauth"]
	line("dovecot and doveauth", usage.Program{Processes: d.Processes + a.Processes, PSS: d.PSS + a.PSS})
	return t.Flush()
}

// largest has the names of those that take most first.
func largest(of map[string]usage.Program) []string {
	return slices.SortedFunc(maps.Keys(of), func(a, b string) int {
		return cmp.Or(cmp.Compare(of[b].PSS, of[a].PSS), strings.Compare(a, b))
	})
}
