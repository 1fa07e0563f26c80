package bench

import (
	"fmt"
	"html/template"
	"math"
	"strings"
)

// The sizes of plots in their own units, and the room for their axes. A wide plot
// is the only one in its row.
const (
	wide, narrow        = 720.0, 420.0
	plotHeight          = 250.0
	left, right         = 52.0, 14.0
	top, bottom         = 30.0, 42.0
	verticals, marks    = 4, 4 // parts of an axis
	labelGap, tickShift = 8, 4
)

// scale takes values from 0 to high to one axis of a plot.
type scale struct{ high, from, to float64 }

func (s scale) at(v float64) float64 { return s.from + (s.to-s.from)*v/s.high }

// niceMax is the least number not below v whose quarters are easy to read.
func niceMax(v float64) float64 {
	if v <= 0 {
		return 1
	}
	power := math.Pow(10, math.Floor(math.Log10(v)))
	for _, f := range []float64{1, 2, 4, 6, 8} {
		if f*power >= v {
			return f * power
		}
	}
	return 10 * power
}

// canvas is an SVG that is being drawn.
type canvas struct {
	strings.Builder
	width float64
}

func newCanvas(width float64, title string) *canvas {
	c := &canvas{width: width}
	fmt.Fprintf(c, `<svg viewBox="0 0 %g %g" role="img" aria-label="%s">`, width, plotHeight, template.HTMLEscapeString(title))
	return c
}

func (c *canvas) done() template.HTML {
	c.WriteString("</svg>")
	return template.HTML(c.String())
}

func (c *canvas) text(x, y float64, anchor, text string) {
	fmt.Fprintf(c, `<text x="%.1f" y="%.1f" text-anchor="%s" class="tick">%s</text>`, x, y, anchor, template.HTMLEscapeString(text))
}

// vertical draws the axis of a value with its grid.
func (c *canvas) vertical(s scale, unit string) {
	for i := range verticals + 1 {
		v := s.high * float64(i) / verticals
		y := s.at(v)
		fmt.Fprintf(c, `<line x1="%g" x2="%g" y1="%.1f" y2="%.1f" class="grid"/>`, left, c.width-right, y, y)
		c.text(left-labelGap, y+tickShift, "end", number(v))
	}
	c.text(0, top-16, "start", unit)
}

// below says what the other axis is.
func (c *canvas) below(x float64, tick string) { c.text(x, plotHeight-bottom+18, "middle", tick) }

func (c *canvas) horizontal(what string) { c.text(c.width-right, plotHeight-5, "end", what) }

func number(v float64) string {
	if v >= 10 || v == math.Trunc(v) {
		return fmt.Sprintf("%.0f", v)
	}
	return fmt.Sprintf("%.1f", v)
}

// bins is how many bars a histogram has.
const bins = 32

// histogram draws how many messages took how long, up to what nearly all took:
// the last bar has the rest. Lines mark the quantiles.
func histogram(s Series) template.HTML {
	c := newCanvas(wide, "How long messages took")
	// Up to the 99th percentile: one message that took a minute would press all others into the
	// first bar.
	high := niceMax(milliseconds(s.Quantile(0.99)) * 1.1)
	var counts [bins]int
	most := 0
	for _, d := range s {
		i := min(int(milliseconds(d)/high*bins), bins-1)
		counts[i]++
		most = max(most, counts[i])
	}
	y := scale{niceMax(float64(most)), plotHeight - bottom, top}
	x := scale{high, left, c.width - right}
	c.vertical(y, "messages")
	width := (x.to - x.from) / bins
	for i, n := range counts {
		if n == 0 {
			continue
		}
		from := high * float64(i) / bins
		fmt.Fprintf(c, `<rect x="%.1f" y="%.1f" width="%.1f" height="%.1f" rx="1.5" class="bar"><title>%s to %s ms: %d</title></rect>`,
			x.at(from)+0.8, y.at(float64(n)), width-1.6, y.from-y.at(float64(n)), number(from), number(from+high/bins), n)
	}
	for i := range marks + 1 {
		v := high * float64(i) / marks
		c.below(x.at(v), number(v))
	}
	c.horizontal("milliseconds")
	for _, q := range []struct {
		name string
		part float64
	}{{"half", 0.5}, {"95 %", 0.95}, {"99 %", 0.99}} {
		at := x.at(min(milliseconds(s.Quantile(q.part)), high))
		fmt.Fprintf(c, `<line x1="%.1f" x2="%.1f" y1="%g" y2="%g" class="mark"/>`, at, at, top, plotHeight-bottom)
		c.text(at, top-4, "middle", q.name)
	}
	return c.done()
}

// curve is a line of a plot over the levels of load.
type curve struct {
	name  string
	class string
	value func(Level) float64
}

// overLoad draws curves over the levels, a place for each.
func overLoad(title, unit string, levels []Level, curves ...curve) template.HTML {
	c := newCanvas(narrow, title)
	high := 0.0
	for _, l := range levels {
		for _, v := range curves {
			high = max(high, v.value(l))
		}
	}
	y := scale{niceMax(high), plotHeight - bottom, top}
	c.vertical(y, unit)
	x := scale{max(float64(len(levels)-1), 1), left + 24, c.width - right - 24}
	for i, l := range levels {
		c.below(x.at(float64(i)), fmt.Sprint(l.Clients))
	}
	c.horizontal("clients that send at the same time")
	for _, v := range curves {
		// The levels double, so equal distances between them are a logarithmic scale.
		var points []string
		for i, l := range levels {
			points = append(points, fmt.Sprintf("%.1f,%.1f", x.at(float64(i)), y.at(v.value(l))))
		}
		fmt.Fprintf(c, `<polyline points="%s" class="curve %s"/>`, strings.Join(points, " "), v.class)
		for i, l := range levels {
			fmt.Fprintf(c, `<circle cx="%.1f" cy="%.1f" r="3.5" class="dot %s"><title>%s, %d clients: %s %s</title></circle>`,
				x.at(float64(i)), y.at(v.value(l)), v.class, v.name, l.Clients, number(v.value(l)), unit)
		}
	}
	return c.done()
}
