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

	"chatmaild/testdata/kit/measure"
	"chatmaild/testdata/lab"
)

// A variant is the relay as it is, or with a change, and what its rounds took.
type variant struct {
	name   string
	change func(*lab.Relay, context.Context) error // that makes the relay this variant; nil: none
	bursts []burst
	texts  []text
}

// round makes the relay this variant and measures once.
func (v *variant) round(ctx context.Context, c *crowd, o options) error {
	if v.change != nil {
		if err := v.change(c.relay, ctx); err != nil {
			return err
		}
		if err := c.connect(ctx); err != nil {
			return err
		}
	}
	if _, err := c.burst(ctx, warm*len(c.people)); err != nil {
		return fmt.Errorf("first messages: %w", err)
	}
	texts, err := c.trace(ctx, o.texts, o.pause)
	if err != nil {
		return fmt.Errorf("texts: %w", err)
	}
	v.texts = append(v.texts, texts...)
	b, err := c.burst(ctx, o.messages)
	if err != nil {
		return fmt.Errorf("burst: %w", err)
	}
	v.bursts = append(v.bursts, b)
	return c.empty(ctx)
}

// of is the median of a figure of the bursts.
func (v *variant) of(figure func(burst) float64) float64 { return measure.Median(v.bursts, figure) }

// worth is the processor time for a message below which a service has no line, in ms.
const worth = 0.05

// printVariants prints the medians of all variants side by side, and the ratio of the last to
// the first.
func printVariants(w io.Writer, variants []*variant) error {
	first, last := variants[0], variants[len(variants)-1]
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
	line := func(name, format string, figure func(*variant) float64) {
		fmt.Fprintf(t, "%s\t", name)
		for _, v := range variants {
			fmt.Fprintf(t, format+"\t", figure(v))
		}
		if len(variants) > 1 {
			fmt.Fprintf(t, "%.2f\t", figure(last)/figure(first))
		}
		fmt.Fprintln(t)
	}
	fmt.Fprint(t, "\n\t")
	for _, v := range variants {
		fmt.Fprintf(t, "%s\t", v.name)
	}
	fmt.Fprintln(t)
	line("burst: in mailboxes a second", "%.0f", func(v *variant) float64 { return v.of(func(b burst) float64 { return b.rate }) })
	line("accepted a second", "%.0f", func(v *variant) float64 { return v.of(func(b burst) float64 { return b.accepted }) })
	cost := func(service string) func(*variant) float64 {
		return func(v *variant) float64 { return v.of(func(b burst) float64 { return b.cost[service] }) }
	}
	names := maps.Clone(first.bursts[0].cost) // a service may run in one variant alone
	maps.Copy(names, last.bursts[0].cost)
	services := slices.SortedFunc(maps.Keys(names), func(a, b string) int {
		return cmp.Or(cmp.Compare(cost(b)(first), cost(a)(first)), strings.Compare(a, b))
	})
	line("CPU ms for a message: all", "%.2f", func(v *variant) float64 { return v.of(total) })
	for _, service := range services {
		if max(cost(service)(first), cost(service)(last)) >= worth {
			line(service, "%.2f", cost(service))
		}
	}
	for i, stage := range stages {
		for _, q := range []float64{0.5, 0.95} {
			line(fmt.Sprintf("text: %s, p%.0f ms", stage, 100*q), "%.2f", func(v *variant) float64 {
				var all []time.Duration
				for _, t := range v.texts {
					all = append(all, t[i])
				}
				return float64(lab.Quantile(all, q)) / float64(time.Millisecond)
			})
		}
	}
	return t.Flush()
}

// total is the processor time of all services for a message, in ms.
func total(b burst) (ms float64) {
	for _, cost := range b.cost {
		ms += cost
	}
	return ms
}
