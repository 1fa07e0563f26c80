package bench

import (
	"bytes"
	_ "embed"
	"fmt"
	"html/template"
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
	quantile := func(name, class string, part float64) curve {
		return curve{name, class, func(l Level) float64 { return milliseconds(l.Delivery.Quantile(part)) }}
	}
	var b bytes.Buffer
	err = page.Execute(&b, map[string]any{
		"Report": r,
		"Rows": []row{
			{"Connection", "TCP, TLS and greeting of IMAP", r.Connect},
			{"First login", "which creates the account", r.First},
			{"Login", "to an account that exists", r.Known},
			{"Delivery", "from sending until the other phone is notified", r.Delivery},
		},
		"Histogram": histogram(r.Delivery),
		"Latency": overLoad("Delivery under load", "ms", r.Levels,
			quantile("p50", "first", 0.5), quantile("p95", "second", 0.95), quantile("p99", "third", 0.99)),
		"Throughput": overLoad("Throughput", "messages/s", r.Levels,
			curve{"delivered", "first", func(l Level) float64 { return l.PerSecond }}),
	})
	if err != nil {
		return nil, fmt.Errorf("writing the page: %w", err)
	}
	return b.Bytes(), nil
}
