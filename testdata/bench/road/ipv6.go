package main

import (
	"context"
	"fmt"
	"os"
	"text/tabwriter"
	"time"

	"chatmaild/testdata/lab"
)

// deadIPv6 measures hosts whose IPv6 address does not answer beside those that have none.
func (r *road) deadIPv6(ctx context.Context) error {
	t := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintf(t, "\nmessages, ms\tfirst: p50\tmax\tnext: p50\tmax\t\n")
	for _, dead := range []bool{false, true} {
		var first, next []time.Duration
		for n := range r.hosts {
			domain := fmt.Sprintf("_six%v%d.test", dead, n)
			g, err := r.startGood(ctx, domain)
			if err != nil {
				return err
			}
			if dead {
				if err := r.lab.Zone.Set(domain, "AAAA", r.void.IPv6.String()); err != nil {
					return err
				}
			}
			for _, times := range []*[]time.Duration{&first, &next} {
				took, err := r.takes(ctx, g, domain)
				if err != nil {
					return err
				}
				*times = append(*times, took)
			}
			g.Close()
		}
		name := map[bool]string{false: "IPv4 alone", true: "IPv6 is dead"}[dead]
		fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%s\t\n", name, ms(lab.Quantile(first, 0.5)), ms(lab.Quantile(first, 1)),
			ms(lab.Quantile(next, 0.5)), ms(lab.Quantile(next, 1)))
	}
	return t.Flush()
}
