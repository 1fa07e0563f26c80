package lab

import (
	"context"
	"fmt"
	"io"
	"net"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/emersion/go-msgauth/dkim"

	"chatmaild/testdata/kit/smtp"
	"chatmaild/testdata/lab/network"
)

const (
	// stallPoll is how often a scenario looks whether something goes on.
	stallPoll      = 200 * time.Millisecond
	honestMessages = 60
	hostileClients = 100
	tarpit         = "tarpit.test"
)

// A stall is a relay that one hostile machine wants for itself, and an honest one.
type stall struct {
	*federation
	honest, hostile network.Station
	signer          signer
}

// TestStall is the proof that nobody holds up the others: each step has the hostile
// machine do its worst, and the honest one be served all the while.
func TestStall(t *testing.T) {
	l, deb := newLab(t)
	relay := startRelayIn(t, l, deb, "_stall.test")
	s := &stall{federation: &federation{lab: l, b: relay}}
	s.bob = startProfile(t, l, "bob", relay.SignUpQR())
	s.signer = s.newSigner(t)
	for name, station := range map[string]*network.Station{"honest": &s.honest, "hostile": &s.hostile} {
		*station = addStation(t, l, name)
	}
	eachStep(t, s, []step[*stall]{
		{"connections", (*stall).connections},
		{"tarpit", (*stall).tarpit},
		{"invites", (*stall).invites},
		{"profiles", (*stall).profiles},
		{"a slow mailbox", (*stall).slowMailbox},
	})
}

// deliver hands over messages of the honest machine, each on a connection of its own,
// and returns how long they took, sorted.
func (s *stall) deliver(ctx context.Context, t *testing.T) []time.Duration {
	t.Helper()
	var took []time.Duration
	for range honestMessages {
		text := s.signer.sign(t, encryptedFrom(t, s.signer.author), nil)
		start := time.Now()
		c, err := s.connect(ctx, s.honest)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := c.Send(s.signer.author, s.bob.Addr, text); err != nil || !strings.HasPrefix(got, "250 ") {
			t.Fatalf("the honest machine got %q, %v", got, err)
		}
		c.Close()
		took = append(took, time.Since(start))
	}
	slices.Sort(took)
	return took
}

// connect opens a dialogue from a station, as far as the second EHLO.
func (s *stall) connect(ctx context.Context, from network.Station) (*smtp.Client, error) {
	c, err := from.SMTP(ctx, s.b.Domain, "25")
	if err != nil {
		return nil, err
	}
	for _, step := range []func() error{
		func() error { return ehlo(c) }, func() error { return c.StartTLS(ctx, network.Insecure(s.b.Domain)) }, func() error { return ehlo(c) },
	} {
		if err := step(); err != nil {
			c.Close()
			return nil, err
		}
	}
	return c, nil
}

func ehlo(c *smtp.Client) error {
	_, err := c.Command("EHLO carol.example")
	return err
}

// beside measures the honest machine alone, and beside so many hostile clients, of which
// started says when they are at work. The ratio is for the reader: a busy machine may
// not fail a test.
func (s *stall) beside(t *testing.T, what string, honest func(context.Context, *testing.T) []time.Duration, started func() bool,
	client func(ctx context.Context, number int),
) {
	t.Helper()
	ctx := deadline(t, partTimeout)
	alone := honest(ctx, t)
	attack, stop := context.WithCancel(ctx)
	var all sync.WaitGroup
	defer all.Wait()
	defer stop()
	for i := range hostileClients {
		all.Go(func() {
			for attack.Err() == nil {
				client(attack, i)
			}
		})
	}
	tick := time.NewTicker(stallPoll)
	defer tick.Stop()
	for !started() {
		select {
		case <-tick.C:
		case <-ctx.Done():
			t.Fatal("the hostile machine is not at work")
		}
	}
	beside := honest(ctx, t)
	p95 := func(d []time.Duration) time.Duration { return d[len(d)*95/100] }
	t.Logf("%s: the honest machine's p95 is %v alone, %v beside: %.2f times", what,
		p95(alone).Round(time.Millisecond), p95(beside).Round(time.Millisecond), float64(p95(beside))/float64(p95(alone)))
}

// connections has the hostile machine open as many as it can, and hold them.
func (s *stall) connections(t *testing.T) {
	refused := func() bool { return s.counted(t, `chatmaild_postfix_limited_total{limit="connections"}`) }
	s.beside(t, "connections held", s.deliver, refused, func(ctx context.Context, _ int) {
		conn, err := s.hostile.DialContext(ctx, "tcp", net.JoinHostPort(s.b.Domain, "25"))
		if err != nil {
			return
		}
		defer conn.Close()
		defer context.AfterFunc(ctx, func() { conn.Close() })()
		_, _ = io.Copy(io.Discard, conn) // until it is closed
		restFor(ctx, stallPoll)
	})
}

func restFor(ctx context.Context, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-ctx.Done():
	}
}

// tarpit has the hostile machine send mail whose keys are at a name server that never
// answers, of one domain and with a new selector each time, a message a second on each
// of its connections.
func (s *stall) tarpit(t *testing.T) {
	s.lab.Zone.SetMute(tarpit)
	defer s.lab.Zone.SetMute("")
	bounded := func() bool {
		for _, outcome := range []string{"crowded", "failed", "remembered"} {
			if !s.counted(t, `chatmaild_dkim_lookups_total{outcome="`+outcome+`"}`) {
				return false
			}
		}
		return true
	}
	s.beside(t, "a name server that never answers", s.deliver, bounded, func(ctx context.Context, n int) {
		c, err := s.connect(ctx, s.hostile)
		if err != nil {
			restFor(ctx, time.Second)
			return
		}
		defer c.Close()
		defer context.AfterFunc(ctx, func() { c.Close() })()
		const domain = "d." + tarpit
		mail := encryptedFrom(t, "m@"+domain)
		for i := 0; ctx.Err() == nil; i++ {
			text := s.signer.sign(t, mail, func(o *dkim.SignOptions) {
				o.Domain, o.Selector = domain, fmt.Sprintf("s%d-%d", n, i)
			})
			got, err := c.Send("m@"+domain, s.bob.Addr, text)
			if err != nil {
				return
			}
			if !strings.HasPrefix(got, "451 4.4.3 ") {
				t.Errorf("hostile mail got %q", got)
			}
			if _, err := c.Command("RSET"); err != nil {
				return
			}
			restFor(ctx, time.Second)
		}
	})
}

// counted says whether the relay has counted something under a name.
func (s *stall) counted(t *testing.T, name string) bool {
	t.Helper()
	out, err := s.b.Run(deadline(t, stepTimeout), "chatmaild", "metrics", "--print")
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(out)) {
		if value, ok := strings.CutPrefix(line, name+" "); ok {
			return strings.TrimSpace(value) != "0"
		}
	}
	return false
}
