package main

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"time"

	"chatmaild/testdata/lab/usage"
)

const (
	// settling is the part of the samples that does not count: processes start, and caches fill.
	settling = 4 // a fourth
	// leastTime is how long the others must be: all warms up for minutes.
	leastTime = 10 * time.Minute

	// A program that grows by more than this in an hour is in the report. That is not a leak by
	// itself: one that was killed meanwhile fills up again.
	slopeMemory, slopeFiles = 1.0, 10.0 // MiB, descriptors
)

// A program is what the processes of a service take that run the same program.
type program struct {
	Processes int     `json:"processes"`
	Files     int     `json:"descriptors"`
	Memory    float64 `json:"memory_mib"`
}

// programsOf are all of them, by service and name.
func programsOf(u usage.Usage) map[string]program {
	all := map[string]program{}
	for service, s := range u.Services {
		for name, p := range s.Programs {
			all[service+"/"+name] = program{p.Processes, p.Descriptors, float64(p.PSS) / (1 << 20)}
		}
	}
	return all
}

// A slope is what a process of a program has grown by, in an hour.
type slope struct {
	Program string  `json:"program"`
	Memory  float64 `json:"memory_mib_per_hour"`
	Files   float64 `json:"descriptors_per_hour"`
	Mean    program `json:"mean"` // of all its processes
}

// A period is a time in which the sizes and rates are the same; one without an end lasts.
type period struct{ from, to time.Time }

// of returns the samples of the period that count.
func (p period) of(samples []sample) []sample {
	at := func(moment time.Time) int {
		i, _ := slices.BinarySearchFunc(samples, moment, func(s sample, at time.Time) int { return s.At.Compare(at) })
		return i
	}
	end := len(samples)
	if !p.to.IsZero() {
		end = at(p.to)
	}
	samples = samples[min(at(p.from), end):end]
	samples = samples[len(samples)/settling:]
	if len(samples) == 0 || samples[len(samples)-1].At.Sub(samples[0].At) < leastTime {
		return nil
	}
	return samples
}

// slopes are those of all programs that ran all the time, for a process each, by least squares.
// The first one is that of all services together.
func slopes(samples []sample) (all []slope) {
	if len(samples) == 0 {
		return nil
	}
	for _, name := range slices.Sorted(maps.Keys(samples[len(samples)-1].Programs)) {
		s, there := slopeOf(name, samples, func(s sample) program { return s.Programs[name] })
		if there {
			all = append(all, s)
		}
	}
	slices.SortFunc(all, func(a, b slope) int { return cmp.Compare(b.Memory, a.Memory) })
	whole, _ := slopeOf("all", samples, func(s sample) program { return program{1, s.Files, s.Memory.All} })
	return slices.Insert(all, 0, whole)
}

// slopeOf is the slope of a program, if it was there nearly all the time.
func slopeOf(name string, samples []sample, of func(sample) program) (s slope, there bool) {
	var hours, memory, files []float64
	var sum program
	for _, s := range samples {
		p := of(s)
		if p.Processes == 0 {
			continue
		}
		hours = append(hours, s.At.Sub(samples[0].At).Hours())
		memory = append(memory, p.Memory/float64(p.Processes))
		files = append(files, float64(p.Files)/float64(p.Processes))
		sum = program{sum.Processes + p.Processes, sum.Files + p.Files, sum.Memory + p.Memory}
	}
	n := len(hours)
	if n <= len(samples)*9/10 {
		return slope{}, false
	}
	mean := program{sum.Processes / n, sum.Files / n, sum.Memory / float64(n)}
	return slope{name, gradient(hours, memory), gradient(hours, files), mean}, true
}

// gradient is that of the line through the points.
func gradient(x, y []float64) float64 {
	n := float64(len(x))
	var sx, sy, sxx, sxy float64
	for i := range x {
		sx, sy, sxx, sxy = sx+x[i], sy+y[i], sxx+x[i]*x[i], sxy+x[i]*y[i]
	}
	return (n*sxy - sx*sy) / (n*sxx - sx*sx)
}

// grows tells whether a slope is one to look at.
func (s slope) grows() bool { return s.Memory >= slopeMemory || s.Files >= slopeFiles }

func (s slope) String() string {
	return fmt.Sprintf("%+.2f MiB and %+.1f descriptors an hour for a process; %.1f MiB and %d descriptors in %d processes",
		s.Memory, s.Files, s.Mean.Memory, s.Mean.Files, s.Mean.Processes)
}

// noteSlopes notes what grows.
func (r *report) noteSlopes(samples []sample) {
	r.Slopes = slopes(r.steady.of(samples))
	quiet := 0
	for _, s := range r.Slopes {
		if !s.grows() {
			quiet++
		}
	}
	if len(r.Slopes) > 0 {
		r.step(time.Now(), "slopes", "%d of %d programs grow by less than %.0f MiB and %.0f descriptors an hour for a process", quiet, len(r.Slopes), slopeMemory, slopeFiles)
	}
}
