// Package plot draws what measurements found, as SVG in HTML pages that need no network, and
// has the style of these pages.
package plot

import (
	_ "embed"
	"fmt"
	"html/template"
	"math"
	"strings"
)

//go:embed style.css
var style string

// Style is the style sheet of the pages. Its classes "first", "second" and "third" are the
// colours of curves.
func Style() template.CSS { return template.CSS(style) }

// The sizes of plots in their own units, and the room for their axes. A wide plot
// is the only one in its row.
const (
	wide, narrow        = 720.0, 420.0
	height              = 250.0
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
	fmt.Fprintf(c, `<svg viewBox="0 0 %g %g" role="img" aria-label="%s">`, width, height, template.HTMLEscapeString(title))
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
func (c *canvas) below(x float64, tick string) { c.text(x, height-bottom+18, "middle", tick) }

func (c *canvas) horizontal(what string) { c.text(c.width-right, height-5, "end", what) }

func number(v float64) string {
	if v >= 10 || v == math.Trunc(v) {
		return fmt.Sprintf("%.0f", v)
	}
	return fmt.Sprintf("%.1f", v)
}

// bins is how many bars a histogram has.
const bins = 32

// A Mark is a line across a histogram, at a value.
type Mark struct {
	Name string
	At   float64
}

// Histogram draws how many messages took how many milliseconds, up to a value: the last bar
// has all above it.
func Histogram(title string, took []float64, upTo float64, lines ...Mark) template.HTML {
	c := newCanvas(wide, title)
	high := niceMax(upTo)
	var counts [bins]int
	most := 0
	for _, ms := range took {
		i := min(int(ms/high*bins), bins-1)
		counts[i]++
		most = max(most, counts[i])
	}
	y := scale{niceMax(float64(most)), height - bottom, top}
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
	c.axis(x)
	c.horizontal("milliseconds")
	for _, m := range lines {
		at := x.at(min(m.At, high))
		fmt.Fprintf(c, `<line x1="%.1f" x2="%.1f" y1="%g" y2="%g" class="mark"/>`, at, at, top, height-bottom)
		c.text(at, top-4, "middle", m.Name)
	}
	return c.done()
}

// axis writes numbers below.
func (c *canvas) axis(x scale) {
	for i := range marks + 1 {
		v := x.high * float64(i) / marks
		c.below(x.at(v), number(v))
	}
}

// A Curve is a line of a plot. Its class is its colour.
type Curve struct {
	Name, Class string
	Values      []float64
}

// highest is the largest value of some curves.
func highest(curves []Curve) (high float64) {
	for _, v := range curves {
		for _, value := range v.Values {
			high = max(high, value)
		}
	}
	return high
}

// draw draws the line of a curve.
func (c *canvas) draw(v Curve, x func(int) float64, y scale) {
	var points []string
	for i, value := range v.Values {
		points = append(points, fmt.Sprintf("%.1f,%.1f", x(i), y.at(value)))
	}
	fmt.Fprintf(c, `<polyline points="%s" class="curve %s"/>`, strings.Join(points, " "), v.Class)
}

// Steps draws curves with a value for each of some steps, in equal distances: where the steps
// double, that is a logarithmic scale. A step is so many of something, which what says at length.
func Steps(title, unit, of, what string, steps []int, curves ...Curve) template.HTML {
	c := newCanvas(narrow, title)
	y := scale{niceMax(highest(curves)), height - bottom, top}
	c.vertical(y, unit)
	axis := scale{max(float64(len(steps)-1), 1), left + 24, c.width - right - 24}
	x := func(i int) float64 { return axis.at(float64(i)) }
	for i, step := range steps {
		c.below(x(i), fmt.Sprint(step))
	}
	c.horizontal(what)
	for _, v := range curves {
		c.draw(v, x, y)
		for i, value := range v.Values {
			fmt.Fprintf(c, `<circle cx="%.1f" cy="%.1f" r="3.5" class="dot %s"><title>%s, %d %s: %s %s</title></circle>`,
				x(i), y.at(value), v.Class, v.Name, steps[i], of, number(value), unit)
		}
	}
	return c.done()
}

// Lines draws curves over time: minutes has the moment of each value.
func Lines(title, unit string, minutes []float64, curves ...Curve) template.HTML {
	c := newCanvas(narrow, title)
	y := scale{niceMax(highest(curves)), height - bottom, top}
	c.vertical(y, unit)
	end := 0.0
	for _, m := range minutes {
		end = max(end, m)
	}
	x := scale{niceMax(end), left, c.width - right}
	c.axis(x)
	c.horizontal("minutes")
	for _, v := range curves {
		c.draw(v, func(i int) float64 { return x.at(minutes[i]) }, y)
	}
	return c.done()
}
