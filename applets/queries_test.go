package applets

import (
	"encoding/json"
	"regexp"
	"slices"
	"strings"
	"testing"

	"chatmaild/applets/service/metric"
	"chatmaild/packaging/grafana"
)

// told returns the names of all samples that a relay tells.
func told() []string {
	var all []string
	for _, part := range describeAll() {
		for _, d := range part.families {
			if d.Kind == metric.HistogramKind {
				all = append(all, d.Name+"_bucket", d.Name+"_sum", d.Name+"_count")
				continue
			}
			all = append(all, d.Name)
		}
	}
	return all
}

// asked are the names of our metrics in a text.
var asked = regexp.MustCompile(`\b(?:chatmaild|process)_[a-z_]+|\b(?:ci_|nonci_)?accounts\{`)

// TestShippedQueries holds that the dashboard and the alert rules ask for nothing
// that no daemon tells, and that each alert says what to do.
func TestShippedQueries(t *testing.T) {
	rules := read(t, "packaging", "prometheus", "chatmaild.rules.yml")
	var dashboard struct {
		Panels []struct {
			Type, Title, Description string
			Targets                  []struct{ Expr string }
		}
	}
	shipped, err := grafana.Dashboard()
	if err == nil {
		err = json.Unmarshal(shipped, &dashboard)
	}
	if err != nil {
		t.Fatal(err)
	}
	var queries []string
	for _, m := range regexp.MustCompile(`(?m)^ +expr: (.*)$`).FindAllStringSubmatch(rules, -1) {
		queries = append(queries, m[1])
	}
	alerts := strings.Count(rules, "- alert: ")
	for _, want := range []string{"expr: ", "severity: ", "summary: ", "runbook: "} {
		if got := strings.Count(rules, " "+want); got != alerts || alerts == 0 {
			t.Errorf("%d alerts have %d lines %q", alerts, got, want)
		}
	}
	for _, p := range dashboard.Panels {
		if p.Type == "row" {
			continue
		}
		if len(p.Targets) == 0 || p.Description == "" {
			t.Errorf("panel %s: want a description and queries", p.Title)
		}
		for _, each := range p.Targets {
			queries = append(queries, each.Expr)
		}
	}
	known := told()
	for _, q := range queries {
		names := asked.FindAllString(q, -1)
		if len(names) == 0 && !strings.HasPrefix(q, "up{") {
			t.Errorf("%s: asks for nothing of ours", q)
		}
		for _, name := range names {
			if name = strings.TrimSuffix(name, "{"); !slices.Contains(known, name) {
				t.Errorf("%s: nobody tells %s", q, name)
			}
		}
	}
}
