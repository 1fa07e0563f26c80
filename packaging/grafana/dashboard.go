// Package grafana is the dashboard that the Debian package installs: rows.go says what is
// on it, this file how each kind of panel looks, and in what order they lie. The JSON, in
// which each panel repeats its kind's looks in fifty lines, is made while the package is
// built.
//
// The format is that of Grafana 10 and later, schema version 38
// (grafana.com/docs/grafana/latest/dashboards/build-dashboards/view-dashboard-json-model).
package grafana

import (
	"encoding/json"
	"strings"
)

// object is one in JSON.
type object map[string]any

// row is a heading, and the panels below it.
type row struct {
	title  string
	panels []panel
}

// panel is a query's, or several queries', answers.
type panel struct {
	kind               string // Grafana's name of it
	title, unit, about string
	width, height      int    // of the dashboard's 24 columns, and in its lines of 30 pixels
	options            object // of the kind
	defaults           object // of each series
	queries            []query
}

// query is a question in PromQL, and the name of each series that answers it.
type query struct{ legend, expr string }

// step is a number's colour from a value on.
type step struct {
	color string
	from  float64
}

// Grafana's names of units.
const (
	bytes          = "bytes"
	bytesPerSecond = "Bps"
	count          = "short"
	perSecond      = "ops"
	seconds        = "s"
	share          = "percentunit"
	yesNo          = "bool_yes_no"
)

// source is the reader's Prometheus.
var source = object{"type": "prometheus", "uid": "${datasource}"}

// number shows the latest value, in the colour of the last step that it reached.
func number(title, unit, about, expr string, steps ...step) panel {
	var colors []object
	for i, s := range steps {
		from := any(s.from)
		if i == 0 {
			from = nil
		}
		colors = append(colors, object{"color": s.color, "value": from})
	}
	return panel{
		kind: "stat", title: title, unit: unit, about: about, width: 4, height: 4,
		options: object{
			"reduceOptions": object{"calcs": []string{"lastNotNull"}, "fields": "", "values": false},
			"colorMode":     "value",
			"graphMode":     "area",
			"textMode":      "auto",
		},
		defaults: object{"thresholds": object{"mode": "absolute", "steps": colors}},
		queries:  []query{{"", expr}},
	}
}

// lines shows each series over time.
func lines(title, unit, about string, queries ...query) panel {
	return overTime(5, "none", title, unit, about, queries)
}

// stack shows each series over time, one upon the other.
func stack(title, unit, about string, queries ...query) panel {
	return overTime(20, "normal", title, unit, about, queries)
}

// overTime fills the area below each line by that many percent.
func overTime(fill int, stacking, title, unit, about string, queries []query) panel {
	return panel{
		kind: "timeseries", title: title, unit: unit, about: about, width: 8, height: 8,
		options: object{
			"legend":  object{"displayMode": "list", "placement": "bottom", "showLegend": true},
			"tooltip": object{"mode": "multi", "sort": "desc"},
		},
		defaults: object{"min": 0, "custom": object{
			"drawStyle": "line", "fillOpacity": fill, "lineWidth": 1, "showPoints": "never",
			"stacking": object{"mode": stacking},
		}},
		queries: queries,
	}
}

// quantile asks for a quantile of a histogram, for each value of the label by, if not "".
func quantile(q, by, histogram string) string {
	labels := "le"
	if by != "" {
		labels += "," + by
	}
	return "histogram_quantile(" + q + ", sum by (" + labels + ") (rate(" + histogram + "_bucket{$relay}[$__rate_interval])))"
}

// Dashboard returns the dashboard in Grafana's JSON.
func Dashboard() ([]byte, error) {
	var panels []object
	add := func(p object, x, y, width, height int) {
		p["id"] = len(panels) + 1
		p["gridPos"] = object{"x": x, "y": y, "w": width, "h": height}
		panels = append(panels, p)
	}
	const columns = 24
	y := 0
	for _, r := range rows {
		add(object{"type": "row", "title": r.title, "collapsed": false, "panels": []object{}}, 0, y, columns, 1)
		y++
		x := 0
		for _, p := range r.panels {
			if x == columns {
				x = 0
				y += p.height
			}
			add(p.object(), x, y, p.width, p.height)
			x += p.width
		}
		y += r.panels[0].height
	}
	return json.MarshalIndent(object{
		"__inputs": []object{},
		"annotations": object{"list": []object{{
			"builtIn":    1,
			"datasource": object{"type": "grafana", "uid": "-- Grafana --"},
			"enable":     true,
			"hide":       true,
			"iconColor":  "rgba(0, 211, 255, 1)",
			"name":       "Annotations & Alerts",
			"type":       "dashboard",
		}}},
		"title":         "chatmail relay",
		"uid":           "chatmaild",
		"description":   "A chatmail relay that chatmaild runs: chatmaild-metrics(7). Nothing here is about a person.",
		"tags":          []string{"chatmail", "mail"},
		"editable":      true,
		"graphTooltip":  1,
		"schemaVersion": 38,
		"version":       1,
		"refresh":       "30s",
		"time":          object{"from": "now-6h", "to": "now"},
		"timezone":      "browser",
		"templating": object{"list": []object{
			{"name": "datasource", "label": "Prometheus", "type": "datasource", "query": "prometheus", "current": object{}, "hide": 0, "refresh": 1},
			choice("job", "Job", "label_values(chatmaild_build_info, job)", false),
			choice("instance", "Relay", `label_values(chatmaild_build_info{job="$job"}, instance)`, true),
		}},
		"panels": panels,
	}, "", "  ")
}

// choice is a list of a label's values, above the panels, to choose one or several from.
func choice(name, label, query string, several bool) object {
	return object{
		"name": name, "label": label, "type": "query", "datasource": source,
		"query": object{"query": query, "refId": "A"}, "definition": query,
		"refresh": 2, "includeAll": several, "multi": several, "current": object{}, "hide": 0, "sort": 1,
	}
}

// object returns the panel in Grafana's JSON, without its place.
func (p panel) object() object {
	var targets []object
	for i, q := range p.queries {
		targets = append(targets, object{
			"datasource":   source,
			"refId":        string(rune('A' + i)),
			"expr":         strings.ReplaceAll(q.expr, "$relay", `job="$job",instance=~"$instance"`),
			"legendFormat": q.legend,
		})
	}
	p.defaults["unit"] = p.unit
	return object{
		"type": p.kind, "options": p.options, "title": p.title, "description": p.about,
		"datasource": source, "targets": targets,
		"fieldConfig": object{"defaults": p.defaults, "overrides": []object{}},
	}
}
