package bench

import (
	"bytes"
	_ "embed"
	"fmt"
	"html/template"

	"chatmaild/applets/admin/bench/plot"
)

//go:embed page.html
var pageText string

// row is a line of the page's table of times.
type row struct {
	Name, Note string
	Times      Series
}

// HTML returns the report as one page, which needs no network to be looked at.
func (r *Report) HTML() ([]byte, error) {
	// Parsed when it is asked for: the daemons are the same program, and would carry it.
	page, err := template.New("page").Funcs(template.FuncMap{
		"ms": ms, "ten": func(v float64) string { return fmt.Sprintf("%.1f", v) },
	}).Parse(pageText)
	if err != nil {
		return nil, fmt.Errorf("reading the page's template: %w", err)
	}
	steps := make([]int, len(r.Levels))
	for i, l := range r.Levels {
		steps[i] = l.Clients
	}
	curve := func(name, class string, of func(Level) float64) plot.Curve {
		v := plot.Curve{Name: name, Class: class}
		for _, l := range r.Levels {
			v.Values = append(v.Values, of(l))
		}
		return v
	}
	quantile := func(name, class string, part float64) plot.Curve {
		return curve(name, class, func(l Level) float64 { return milliseconds(l.Delivery.Quantile(part)) })
	}
	overLoad := func(title, unit string, curves ...plot.Curve) template.HTML {
		return plot.Steps(title, unit, "clients", "clients that send at the same time", steps, curves...)
	}
	var b bytes.Buffer
	err = page.Execute(&b, map[string]any{
		"Style":  plot.Style(),
		"Report": r,
		"Rows": []row{
			{"Connection", "TCP, TLS and greeting of IMAP", r.Connect},
			{"First login", "which creates the account", r.First},
			{"Login", "to an account that exists", r.Known},
			{"Delivery", "from sending until the other phone is notified", r.Delivery},
		},
		"Histogram": histogram(r.Delivery),
		"Latency": overLoad("Delivery under load", "ms",
			quantile("p50", "first", 0.5), quantile("p95", "second", 0.95), quantile("p99", "third", 0.99)),
		"Throughput": overLoad("Throughput", "messages/s",
			curve("delivered", "first", func(l Level) float64 { return l.PerSecond })),
	})
	if err != nil {
		return nil, fmt.Errorf("writing the page: %w", err)
	}
	return b.Bytes(), nil
}

// histogram draws how long messages took, up to what nearly all took. Lines mark the
// quantiles.
func histogram(s Series) template.HTML {
	took := make([]float64, len(s))
	for i, d := range s {
		took[i] = milliseconds(d)
	}
	at := func(part float64) float64 { return milliseconds(s.Quantile(part)) }
	// Up to the 99th percentile: one message that took a minute would press all others into the
	// first bar.
	return plot.Histogram("How long messages took", took, at(0.99)*1.1,
		plot.Mark{Name: "half", At: at(0.5)}, plot.Mark{Name: "95 %", At: at(0.95)}, plot.Mark{Name: "99 %", At: at(0.99)})
}
