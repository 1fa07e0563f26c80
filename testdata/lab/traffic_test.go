package lab

import (
	"context"
	"fmt"
	"net"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"chatmaild/testdata/lab/core"
	"chatmaild/testdata/lab/debian"
	"chatmaild/testdata/lab/network"
)

// trafficPace is a little more than a second: a core that is to send faster holds
// the messages back automatically.
const trafficPace = 1200 * time.Millisecond

// An underway is a relay with two real clients that write to each other all the
// time, whatever happens to it.
type underway struct {
	lab        *Lab
	relay      *Relay
	deb        string
	alice, bob *core.Profile
	ab, ba     uint32 // alice's chat with bob, and his with her

	quiet sync.Mutex // held while one writes

	mu   sync.Mutex
	sent map[*core.Profile][]string // by the sender
	stop context.CancelFunc
	over sync.WaitGroup
}

// startUnderway boots a relay and lets the clients begin.
func startUnderway(t *testing.T, domain string, settings ...string) *underway {
	t.Helper()
	l, r := startRelay(t, domain, settings...)
	return startUnderwayOn(t, l, r)
}

// startUnderwayOn lets the clients begin on a relay that runs.
func startUnderwayOn(t *testing.T, l *Lab, r *Relay) *underway {
	t.Helper()
	u := &underway{lab: l, relay: r, sent: map[*core.Profile][]string{}}
	var err error
	if u.deb, err = debian.Deb(); err != nil {
		t.Fatal(err)
	}
	u.alice = startProfile(t, u.lab, "alice", u.relay.SignUpQR())
	u.bob = startProfile(t, u.lab, "bob", u.relay.SignUpQR())
	ctx := deadline(t, stepTimeout)
	// What comes is what they write, and can be counted.
	for _, p := range []*core.Profile{u.alice, u.bob} {
		if err := noKeyUpdate(ctx, p); err != nil {
			t.Fatal(err)
		}
	}
	u.ba = secureJoin(t, u.bob, u.alice, nil)
	if u.ab, err = u.alice.ChatWith(ctx, u.bob); err != nil {
		t.Fatal(err)
	}
	say(t, u.alice, u.ab, u.bob, "hello Bob")
	ctx, u.stop = context.WithCancel(t.Context())
	for _, s := range []struct {
		from *core.Profile
		chat uint32
	}{{u.alice, u.ab}, {u.bob, u.ba}} {
		u.over.Go(func() { u.chatter(ctx, t, s.from, s.chat) })
	}
	t.Cleanup(func() { u.stop(); u.over.Wait() })
	return u
}

// noKeyUpdate has a core take it that its contacts know which relays it is on. Half a minute
// after it has signed up it tells them otherwise, by a message of its own that no chat shows.
// (It is due while the relays differ from those noted here: github.com/chatmail/core/pull/8621.)
func noKeyUpdate(ctx context.Context, p *core.Profile) error {
	err := p.Call(ctx, nil, "set_config", "keyupdate_baseline", p.Addr)
	if err != nil && strings.Contains(err.Error(), "unknown key") {
		return nil // it is older than these messages
	}
	return err
}

func (u *underway) chatter(ctx context.Context, t *testing.T, from *core.Profile, chat uint32) {
	tick := time.NewTicker(trafficPace)
	defer tick.Stop()
	for n := 1; ; n++ {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		u.quiet.Lock()
		// Not ctx: what is handed over is sent.
		err := u.write(context.WithoutCancel(ctx), from, chat, fmt.Sprintf("%s writes %d", from.Name, n))
		u.quiet.Unlock()
		if err != nil {
			t.Errorf("the core took no message: %v", err)
			return
		}
	}
}

func (u *underway) write(ctx context.Context, from *core.Profile, chat uint32, text string) error {
	_, err := from.SendText(ctx, chat, text)
	u.mu.Lock()
	defer u.mu.Unlock()
	u.sent[from] = append(u.sent[from], text)
	return err
}

// flows waits until what either client writes from now on has arrived, and tells
// how long that took.
func (u *underway) flows(t *testing.T, since time.Time) time.Duration {
	t.Helper()
	ctx := deadline(t, stepTimeout)
	defer nudging(ctx, u.alice, u.bob)()
	for _, s := range []struct {
		from, to *core.Profile
		chat     uint32
	}{{u.alice, u.bob, u.ab}, {u.bob, u.alice, u.ba}} {
		text := fmt.Sprintf("%s writes at %s", s.from.Name, time.Now().Format(time.StampMicro))
		if err := u.write(ctx, s.from, s.chat, text); err != nil {
			t.Fatal(err)
		}
		if _, _, err := s.to.WaitText(ctx, text); err != nil {
			t.Fatal(err)
		}
	}
	return time.Since(since).Round(100 * time.Millisecond)
}

// nudging tells clients that the network may be back, as apps do when they come to the
// foreground, until it is told to end: without it they wait 30 s after a failure.
func nudging(ctx context.Context, profiles ...*core.Profile) (end func()) {
	ctx, cancel := context.WithCancel(ctx)
	done := make(chan struct{})
	go func() {
		defer close(done)
		again := time.NewTicker(time.Second)
		defer again.Stop()
		for ctx.Err() == nil {
			for _, p := range profiles {
				_ = p.Client.Call(ctx, nil, "maybe_network") // if the core is gone, others say so
			}
			select {
			case <-ctx.Done():
			case <-again.C:
			}
		}
	}()
	return func() {
		cancel()
		<-done
	}
}

// settle wants everything that was written so far to be there, once. Writing goes
// on meanwhile.
func (u *underway) settle(t *testing.T) {
	t.Helper()
	ctx := deadline(t, stepTimeout)
	for _, s := range []struct {
		from, to *core.Profile
		chat     uint32
	}{{u.alice, u.bob, u.ba}, {u.bob, u.alice, u.ab}} {
		u.mu.Lock()
		sent := slices.Clone(u.sent[s.from])
		u.mu.Unlock()
		var texts []string
		err := s.to.Until(ctx, "all that was written", func() (bool, error) {
			now, err := s.to.Texts(ctx, s.chat)
			if err != nil {
				return false, err // and texts are those of the last look
			}
			texts = now
			return len(unheard(sent, texts)) == 0, nil
		})
		if err != nil {
			t.Fatalf("lost on the way to %s: %q; %v; %s's last events:\n%s", s.to.Name, unheard(sent, texts), err, s.from.Name, s.from.Events.Last(60))
		}
		for _, text := range sent {
			if n := count(texts, text); n != 1 {
				t.Errorf("%s has %q %d times", s.to.Name, text, n)
			}
		}
	}
}

// written lets nobody write until all is there, and tells how many messages that
// were, and how many mails have come since the watch began.
func (u *underway) written(t *testing.T, mail *Arrivals) (messages, mails int) {
	t.Helper()
	u.quiet.Lock()
	defer u.quiet.Unlock()
	u.settle(t)
	return len(u.sent[u.alice]) + len(u.sent[u.bob]), mail.Count()
}

func unheard(sent, texts []string) []string {
	there := map[string]bool{}
	for _, text := range texts {
		there[text] = true
	}
	return slices.DeleteFunc(slices.Clone(sent), func(text string) bool { return there[text] })
}

// A knocker connects to public ports all the time.
type knocker struct {
	stop    context.CancelFunc
	over    sync.WaitGroup
	mu      sync.Mutex
	knocks  int
	refused []string
}

func startKnocking(t *testing.T, from network.Station, domain string, ports ...string) *knocker {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	k := &knocker{stop: cancel}
	for _, port := range ports {
		k.over.Go(func() {
			for ctx.Err() == nil {
				conn, err := from.DialContext(ctx, "tcp", net.JoinHostPort(domain, port))
				if err == nil {
					conn.Close()
				}
				k.mu.Lock()
				k.knocks++
				if err != nil && ctx.Err() == nil {
					k.refused = append(k.refused, port+": "+err.Error())
				}
				k.mu.Unlock()
				select {
				case <-ctx.Done():
				case <-time.After(100 * time.Millisecond):
				}
			}
		})
	}
	t.Cleanup(func() { k.stop(); k.over.Wait() })
	return k
}

// end returns how often a client knocked, and which were not let in.
func (k *knocker) end() (int, []string) {
	k.stop()
	k.over.Wait()
	return k.knocks, k.refused
}
