package plot

import (
	"encoding/xml"
	"strings"
	"testing"
)

func TestNiceMax(t *testing.T) {
	for v, want := range map[float64]float64{0: 1, 1: 1, 1.1: 2, 3: 4, 41: 60, 61: 80, 81: 100, 999: 1000, 0.03: 0.04} {
		if got := niceMax(v); got != want {
			t.Errorf("niceMax(%v): got %v, want %v", v, got, want)
		}
	}
}

// TestLines holds that curves over time are well-formed, and within the plot.
func TestLines(t *testing.T) {
	for _, minutes := range [][]float64{nil, {0}, {0, 0.5, 30}} {
		values := make([]float64, len(minutes))
		for i := range values {
			values[i] = float64(100 * i)
		}
		svg := string(Lines("Memory <all>", "MiB", minutes, Curve{"all", "first", values}))
		if err := xml.Unmarshal([]byte(svg), new(struct{})); err != nil {
			t.Errorf("%v: %v", minutes, err)
		}
		for _, not := range []string{"NaN", "Inf", "<all>"} {
			if strings.Contains(svg, not) {
				t.Errorf("%v: %s in %s", minutes, not, svg)
			}
		}
	}
	if svg := string(Lines("", "MiB", []float64{0, 40}, Curve{"all", "first", []float64{0, 200}})); !strings.Contains(svg, `points="52.0,208.0 406.0,30.0"`) {
		t.Errorf("the curve does not go from corner to corner: %s", svg)
	}
}
