package lab

import (
	"fmt"
	"testing"
	"time"

	"chatmaild/testdata/lab/core"
)

// steady is how many texts tell how long one takes: those of a minute.
const steady = 50

// slow is when a text is so late that what the clients say is of interest.
const slow = 5 * time.Second

// A pace is how long texts took.
type pace []time.Duration

// String has the median, the 95th percentile, and how many there are.
func (p pace) String() string {
	return fmt.Sprintf("%v / %v (%d)", Quantile(p, 0.5).Round(time.Millisecond), p.p95().Round(time.Millisecond), len(p))
}

func (p pace) p95() time.Duration { return Quantile(p, 0.95) }

// against is how many times as long the 95th percentile is as another's.
func (p pace) against(other pace) float64 { return float64(p.p95()) / float64(max(1, other.p95())) }

// pace has one of the two who talk send texts as long as more says so, and nothing else.
func (c *several) pace(t *testing.T, more func(n int) bool) (took pace) {
	t.Helper()
	ctx := deadline(t, 5*installTimeout)
	c.talk.quiet.Lock()
	defer c.talk.quiet.Unlock()
	pause := time.NewTicker(trafficPace)
	defer pause.Stop()
	for n := 0; more(n); n++ {
		from := c.talk.alice.Position()
		start, text := time.Now(), fmt.Sprintf("%s, at %s", t.Name(), time.Now().Format(time.StampMicro))
		if err := c.talk.write(ctx, c.talk.bob, c.talk.ba, text); err != nil {
			t.Fatal(err)
		}
		_, at, err := core.WaitTextFrom(ctx, c.talk.alice, from, text)
		if err != nil {
			t.Fatal(err)
		}
		took = append(took, at.Sub(start))
		if late := at.Sub(start); late > slow {
			for _, p := range []*core.Profile{c.talk.bob, c.talk.alice} {
				t.Logf("a text took %v; %s warns:\n%s", late.Round(time.Millisecond), p.Name, p.Events.Warned(0))
			}
		}
		<-pause.C
	}
	return took
}
