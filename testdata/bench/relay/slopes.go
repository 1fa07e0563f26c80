package main

import (
	"cmp"
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

// slopes are those of all programs that ran all the time since a moment, for a process each, by
// least squares.
func slopes(samples []sample, since time.Time) (all []slope) {
	first, _ := slices.BinarySearchFunc(samples, since, func(s sample, at time.Time) int { return s.At.Compare(at) })
	samples = samples[first:]
	samples = samples[len(samples)/settling:]
	if len(samples) == 0 || samples[len(samples)-1].At.Sub(samples[0].At) < leastTime {
		return nil
	}
	for _, name := range slices.Sorted(maps.Keys(samples[len(samples)-1].Programs)) {
		var hours, memory, files []float64
		var sum program
		for _, s := range samples {
			p := s.Programs[name]
			if p.Processes == 0 {
				continue
			}
			hours = append(hours, s.At.Sub(samples[0].At).Hours())
			memory = append(memory, p.Memory/float64(p.Processes))
			files = append(files, float64(p.Files)/float64(p.Processes))
			sum = program{sum.Processes + p.Processes, sum.Files + p.Files, sum.Memory + p.Memory}
		}
		if n := len(hours); n > len(samples)*9/10 {
			mean := program{sum.Processes / n, sum.Files / n, sum.Memory / float64(n)}
			all = append(all, slope{name, gradient(hours, memory), gradient(hours, files), mean})
		}
	}
	slices.SortFunc(all, func(a, b slope) int { return cmp.Compare(b.Memory, a.Memory) })
	return all
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

// noteSlopes notes what grows.
func (r *report) noteSlopes(samples []sample) {
	r.Slopes = slopes(samples, r.steady)
	quiet := 0
	for _, s := range r.Slopes {
		if s.Memory < slopeMemory && s.Files < slopeFiles {
			quiet++
			continue
		}
		r.step(time.Now(), "slope: "+s.Program, "%+.1f MiB and %+.0f descriptors an hour for a process; %.1f MiB in %d processes", s.Memory, s.Files, s.Mean.Memory, s.Mean.Processes)
	}
	if len(r.Slopes) > 0 {
		r.step(time.Now(), "slopes", "%d programs grow by less than %.0f MiB and %.0f descriptors an hour for a process", quiet, slopeMemory, slopeFiles)
	}
}
