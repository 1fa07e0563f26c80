package lab

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"slices"
	"text/tabwriter"
	"time"

	"chatmaild/testdata/lab/core"
)

// lateAfter is when a message is given up that nothing woke its receiver for.
// Dovecot's own clock shows it to an IDLE-ing client within minutes, the next
// message at once.
const lateAfter = 10 * time.Second

// A Sample is the way of one text message, from the call that sends it.
type Sample struct {
	Accepted  time.Duration // the sender's core has the 250
	Delivered time.Duration // it lies in the receiver's mailbox
	Event     time.Duration // the receiver's core tells of it
	Late      bool          // it was not announced within lateAfter
}

// Latency measures texts between two profiles that know each other, a of this
// relay and b of a far one, which may be the same: one by one, with pauses
// between the arrival of one and the sending of the next. They take turns, as
// people do: the core sends no more than a message a second from one profile,
// and holds back the others.
func (r *Relay) Latency(ctx context.Context, a *core.Profile, far *Relay, b *core.Profile, pauses []time.Duration) ([]Sample, error) {
	chats, mail := map[*core.Profile]uint32{}, map[*core.Profile]*Arrivals{}
	for from, to := range map[*core.Profile]*core.Profile{a: b, b: a} {
		home := r
		if from == b {
			home = far
		}
		var err error
		if mail[from], err = home.WatchMail(from.Addr); err != nil {
			return nil, err
		}
		defer mail[from].Close()
		if chats[from], err = from.ChatWith(ctx, to); err != nil {
			return nil, err
		}
	}
	run := time.Now().UnixNano() // texts have to be new
	from, to := a, b
	var samples []Sample
	for i, pause := range pauses {
		select {
		case <-time.After(pause):
		case <-ctx.Done():
			return samples, ctx.Err()
		}
		s, err := measure(ctx, mail[to], from, chats[from], to, fmt.Sprintf("latency %d of %d", i, run))
		if err != nil {
			return samples, err
		}
		samples = append(samples, s)
		from, to = to, from
	}
	return samples, nil
}

func measure(ctx context.Context, mail *Arrivals, from *core.Profile, chat uint32, to *core.Profile, text string) (Sample, error) {
	ctx, cancel := context.WithTimeout(ctx, lateAfter)
	defer cancel()
	position := from.Position()
	start := time.Now()
	id, err := from.SendText(ctx, chat, text)
	if err != nil {
		return Sample{}, err
	}
	accepted, err := from.Wait(ctx, position, core.MsgDelivered, func(e core.Event) bool { return e.MsgID == id })
	if err != nil {
		return Sample{}, err
	}
	delivered, err := mail.After(ctx, to.Addr, start)
	if err != nil {
		return Sample{}, err
	}
	s := Sample{Accepted: accepted.At.Sub(start), Delivered: delivered.Sub(start)}
	_, told, err := to.WaitText(ctx, text)
	switch {
	case errors.Is(err, context.DeadlineExceeded):
		s.Late = true
	case err != nil:
		return Sample{}, err
	default:
		s.Event = told.Sub(start)
	}
	return s, nil
}

// WriteSamples prints where the time of the samples went.
func WriteSamples(w io.Writer, samples []Sample) error {
	var steps [4][]time.Duration
	late := 0
	for _, s := range samples {
		if s.Late {
			late++
			continue
		}
		for i, d := range []time.Duration{s.Accepted, s.Delivered, s.Event - s.Delivered, s.Event} {
			steps[i] = append(steps[i], d)
		}
	}
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintf(t, "ms\tp50\tp95\tmax\t\n")
	for i, name := range []string{"send to 250", "send to mailbox", "mailbox to event", "send to event"} {
		fmt.Fprintf(t, "%s\t%s\t%s\t%s\t\n", name, millis(Quantile(steps[i], 0.5)), millis(Quantile(steps[i], 0.95)), millis(Quantile(steps[i], 1)))
	}
	if err := t.Flush(); err != nil {
		return err
	}
	_, err := fmt.Fprintf(w, "%d messages, %d not announced within %v\n", len(samples), late, lateAfter)
	return err
}

// Quantile is the smallest value that at least the part q of all are not above
// (nearest rank); 0 of none.
func Quantile(values []time.Duration, q float64) time.Duration {
	if len(values) == 0 {
		return 0
	}
	sorted := slices.Sorted(slices.Values(values))
	return sorted[max(0, int(math.Ceil(q*float64(len(sorted))))-1)]
}

func millis(d time.Duration) string {
	return fmt.Sprintf("%.0f", float64(d)/float64(time.Millisecond))
}
