package dkim_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	msgauth "github.com/emersion/go-msgauth/dkim"

	"chatmaild/mailfilter/dkim"
)

// TestReplaced has a domain replace its key while the resolver still has the old one.
func TestReplaced(t *testing.T) {
	now := time.Now()
	stale, own := newZone(), newZone()
	stale.ttl, own.ttl = time.Hour, time.Hour
	v := dkim.New(dkim.Options{
		Lookup: stale.lookup, Authority: own.lookup, MaxStrangers: 1,
		Now: func() time.Time { return now },
	})
	replaced := signed(t, message, "rsa", func(o *msgauth.SignOptions) { o.Signer = keys()["other"] })
	step := func(what, text, want string, asked int) {
		t.Helper()
		before := own.count()
		if got := why(verify(v, text, 100)); got != want || own.count()-before != asked {
			t.Errorf("%s: got %q after %d questions to the domain's servers, want %q after %d", what, got, own.count()-before, want, asked)
		}
	}
	const broken = "header was changed, or the key is another one"
	step("the old key", signed(t, message, "rsa", nil), "valid", 0)
	own.texts["rsa._domainkey.alice.test"] = []string{record(keys()["other"])}
	step("the new key", replaced, "valid", 1)
	step("the new key again", replaced, "valid", 0)
	step("forged", signed(t, message, "rsa", nil), broken, 0)
	now = now.Add(time.Minute)
	step("forged, later", signed(t, message, "rsa", nil), broken, 1)
	step("forged, once more", signed(t, message, "rsa", nil), broken, 0)
	now = now.Add(time.Minute)
	own.err = errors.New("no answer")
	step("forged, and the servers are away", signed(t, message, "rsa", nil), broken, 1)
}

// TestPublished has a domain send before it publishes its key.
func TestPublished(t *testing.T) {
	start := time.Now()
	now, z := start, newZone()
	published := z.texts
	v := newVerifier(z.lookup, func() time.Time { return now })
	text := signed(t, message, "rsa", nil)
	for _, step := range []struct {
		after   time.Duration
		publish bool
		want    string
	}{
		{0, false, "pending"},
		{dkim.PublishAge - 1, false, "pending"},
		{dkim.PublishAge, false, "the domain has no such key"},
		{dkim.PublishAge + time.Hour, true, "valid"},
		{dkim.PublishAge + 3*time.Hour, false, "the domain has no such key"}, // it knew how
	} {
		now, z.texts = start.Add(step.after), nil
		if step.publish {
			z.texts = published
		}
		if got := why(verify(v, text, 100)); got != step.want {
			t.Errorf("after %v: got %q, want %q", step.after, got, step.want)
		}
	}
}

// tarpit is a DNS some of whose servers never answer.
type tarpit struct {
	*zone
	held atomic.Int64 // look-ups
}

func (p *tarpit) lookup(ctx context.Context, name string) (dkim.Records, error) {
	if !strings.HasSuffix(name, "tarpit.test") {
		return p.zone.lookup(ctx, name)
	}
	p.held.Add(1)
	defer p.held.Add(-1)
	select {
	case <-ctx.Done():
	case <-time.After(5 * time.Second):
	}
	return dkim.Records{}, errors.New("no answer")
}

// TestTarpit has many messages of hostile domains wait for the DNS, and holds that those
// of honest ones, known or not, wait for nobody.
func TestTarpit(t *testing.T) {
	const strangers, messages = 40, 500
	for name, domain := range map[string]func(i int) (selector, domain string){
		"one selector":    func(int) (string, string) { return "s", "tarpit.test" },
		"many selectors":  func(i int) (string, string) { return fmt.Sprint("s", i), "tarpit.test" },
		"several domains": func(i int) (string, string) { return fmt.Sprint("s", i), fmt.Sprint("d", i%2, ".tarpit.test") },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				honest := signed(t, message, "rsa", nil)
				hostile := func(selector, domain string) string {
					return edit(t, edit(t, honest, "d=alice.test", "d="+domain), "s=rsa", "s="+selector)
				}
				p := &tarpit{zone: newZone()}
				v := dkim.New(dkim.Options{Lookup: p.lookup, Now: time.Now, MaxStrangers: strangers})
				var waiting atomic.Int64
				var all sync.WaitGroup
				for i := range messages {
					selector, d := domain(i)
					header, body := cut(hostile(selector, d))
					all.Go(func() {
						waiting.Add(1)
						defer waiting.Add(-1)
						m := v.Begin([]byte(header), d)
						defer m.Close()
						_, _ = m.Write([]byte(body))
						if got := why(m.Verify()); got != "unknown" {
							t.Errorf("hostile: %s", got)
						}
					})
				}
				synctest.Wait()
				if n := waiting.Load(); n == 0 || n > strangers || p.held.Load() > n {
					t.Errorf("%d messages of strangers wait for %d look-ups, want %d at most", n, p.held.Load(), strangers)
				}
				start := time.Now()
				for range 100 {
					if got := why(verify(v, honest, 100)); got != "valid" || time.Since(start) != 0 {
						t.Fatalf("honest: %s after %v", got, time.Since(start))
					}
				}
				all.Wait()
				if took := time.Since(start); took > 5*time.Second {
					t.Errorf("the hostile messages took %v", took)
				}
				// Now that is remembered.
				selector, d := domain(messages)
				header, _ := cut(hostile(selector, d))
				m := v.Begin([]byte(header), d)
				defer m.Close()
				if n := p.held.Load(); n != 0 {
					t.Errorf("%d look-ups of a name server that has just failed", n)
				}
				s := v.Stats()
				if s.Failed == 0 || s.Crowded == 0 || s.Remembered == 0 || s.Answered != 1 {
					t.Errorf("counted %+v", s)
				}
			})
		})
	}
}

// TestManyStrangers has messages wait for the DNS that are each of another domain. Those of
// a known domain wait for nobody, though its key is not in the cache any more; those of an
// unknown one are deferred meanwhile.
func TestManyStrangers(t *testing.T) {
	const strangers = 20
	synctest.Test(t, func(t *testing.T) {
		p := &tarpit{zone: newZone()}
		p.ttl = 0
		v := dkim.New(dkim.Options{Lookup: p.lookup, Now: time.Now, MaxStrangers: strangers})
		honest := signed(t, message, "rsa", nil)
		if got := why(verify(v, honest, 100)); got != "valid" {
			t.Fatal(got)
		}
		var all sync.WaitGroup
		for i := range 10 * strangers {
			d := fmt.Sprint("d", i, ".tarpit.test")
			header, body := cut(edit(t, honest, "d=alice.test", "d="+d))
			all.Go(func() {
				m := v.Begin([]byte(header), d)
				defer m.Close()
				_, _ = m.Write([]byte(body))
				if got := why(m.Verify()); got != "unknown" {
					t.Errorf("hostile: %s", got)
				}
			})
		}
		synctest.Wait()
		if n := p.held.Load(); n != strangers {
			t.Errorf("%d look-ups for strangers, want %d", n, strangers)
		}
		start := time.Now()
		if got := why(verify(v, honest, 100)); got != "valid" || time.Since(start) != 0 {
			t.Errorf("a known domain: %s after %v", got, time.Since(start))
		}
		header, body := cut(edit(t, honest, "d=alice.test", "d=mallory.test"))
		m := v.Begin([]byte(header), "mallory.test")
		defer m.Close()
		_, _ = m.Write([]byte(body))
		if got := why(m.Verify()); got != "unknown" || time.Since(start) != 0 {
			t.Errorf("an unknown domain: %s after %v", got, time.Since(start))
		}
		all.Wait()
	})
}

// TestNobodyWaits holds that a look-up ends with the last message that wants it.
func TestNobodyWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := &tarpit{zone: newZone()}
		v := dkim.New(dkim.Options{Lookup: p.lookup, Now: time.Now, MaxStrangers: 10})
		header, _ := cut(edit(t, signed(t, message, "rsa", nil), "d=alice.test", "d=tarpit.test"))
		one, two := v.Begin([]byte(header), "tarpit.test"), v.Begin([]byte(header), "tarpit.test")
		one.Close()
		one.Close()
		synctest.Wait()
		if n := p.held.Load(); n != 1 {
			t.Errorf("%d look-ups while one message waits, want 1", n)
		}
		two.Close()
		synctest.Wait()
		if n := p.held.Load(); n != 0 {
			t.Errorf("%d look-ups that nobody waits for", n)
		}
		if s := v.Stats(); s != (dkim.Stats{}) {
			t.Errorf("a look-up that nobody waited for was counted: %+v", s)
		}
	})
}
