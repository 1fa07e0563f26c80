package mailfilter_test

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"testing"
	"time"

	"chatmaild/mailfilter"
	"chatmaild/mailfilter/mailtest"
)

// chunks hides that r has more to offer than Read, as a network connection.
type chunks struct{ r io.Reader }

func (c chunks) Read(p []byte) (int, error) { return c.r.Read(p) }

// BenchmarkCheck measures a whole verdict, header and body, from bytes in
// memory. Its floor is to read the same bytes in blocks and count their line
// ends; floor-ratio is how many times that a verdict takes.
func BenchmarkCheck(b *testing.B) {
	s := mailtest.NewSamples(b)
	policy := policies(b)["out"]
	env := mailfilter.Envelope{Sender: mailtest.Alice, Recipients: []string{mailtest.Bob}}
	for _, size := range []struct {
		name  string
		bytes int
	}{{"2KiB", 2 << 10}, {"100KiB", 100 << 10}, {"5MiB", 5 << 20}, {"25MiB", 25 << 20}} {
		message := s.Sized(size.bytes)
		b.Run(size.name, func(b *testing.B) {
			b.SetBytes(int64(len(message)))
			b.ReportAllocs()
			r := bufio.NewReaderSize(nil, 32<<10)
			src := bytes.NewReader(nil)
			for b.Loop() {
				src.Reset(message)
				r.Reset(chunks{src})
				h, err := mailfilter.ReadHeader(r)
				if err != nil {
					b.Fatal(err)
				}
				c, err := policy.Check(env, h)
				if err != nil {
					b.Fatal(err)
				}
				if err := c.Body(r); err != nil {
					b.Fatal(err)
				}
			}
			check := b.Elapsed() / time.Duration(b.N)
			b.StopTimer()
			b.ReportMetric(float64(check)/float64(floor(message)), "floor-ratio")
		})
	}
}

// floor measures the least that any check has to do: to see each byte once.
func floor(message []byte) time.Duration {
	buf := make([]byte, 32<<10)
	const rounds = 20
	best := time.Hour
	for range rounds {
		start, lines := time.Now(), 0
		for src := (chunks{bytes.NewReader(message)}); ; {
			n, err := src.Read(buf)
			lines += bytes.Count(buf[:n], []byte{'\n'})
			if err != nil {
				break
			}
		}
		if lines == 0 {
			panic(fmt.Sprint("no lines in ", len(message), " bytes"))
		}
		best = min(best, time.Since(start))
	}
	return best
}
