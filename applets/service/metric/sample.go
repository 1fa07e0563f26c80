package metric

import (
	"fmt"
	"strconv"
	"strings"
)

// Sample is one number, for who looks at it.
type Sample struct {
	Name   string // of a histogram's: with _bucket, _sum or _count
	Labels map[string]string
	Value  float64
}

// Parse returns the samples of families that [Read] returned.
func Parse(families []Family) ([]Sample, error) {
	var all []Sample
	for _, f := range families {
		for line := range strings.Lines(f.Samples) {
			s, err := parseSample(strings.TrimSuffix(line, "\n"))
			if err != nil {
				return nil, fmt.Errorf("reading a sample of %s: %w", f.Name, err)
			}
			all = append(all, s)
		}
	}
	return all, nil
}

func parseSample(line string) (Sample, error) {
	end := strings.IndexAny(line, "{ ")
	if end <= 0 {
		return Sample{}, fmt.Errorf("%q has no value", line)
	}
	s := Sample{Name: line[:end], Labels: map[string]string{}}
	rest := line[end:]
	if rest[0] == '{' {
		rest = rest[1:]
		for !strings.HasPrefix(rest, "}") {
			name, after, ok := strings.Cut(rest, `="`)
			if !ok {
				return Sample{}, fmt.Errorf("%q has a label without a value", line)
			}
			value, after, ok := cutLabelValue(after)
			if !ok {
				return Sample{}, fmt.Errorf("%q has a label without an end", line)
			}
			s.Labels[name] = value
			rest = strings.TrimPrefix(after, ",")
		}
		rest = rest[1:]
	}
	value, err := strconv.ParseFloat(strings.TrimPrefix(rest, " "), 64)
	if err != nil {
		return Sample{}, fmt.Errorf("%q has no number: %w", line, err)
	}
	s.Value = value
	return s, nil
}

// cutLabelValue takes a label's value, whose opening quote is gone, off text.
func cutLabelValue(text string) (value, rest string, ok bool) {
	var b strings.Builder
	for i := 0; i < len(text); i++ {
		switch c := text[i]; {
		case c == '"':
			return b.String(), text[i+1:], true
		case c == '\\' && i+1 < len(text):
			i++
			if text[i] == 'n' {
				b.WriteByte('\n')
			} else {
				b.WriteByte(text[i])
			}
		default:
			b.WriteByte(c)
		}
	}
	return "", "", false
}
