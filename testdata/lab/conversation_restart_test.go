package lab

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"chatmaild/testdata/lab/core"
)

// hibernation lets every session fall asleep in Dovecot, and sends then: each
// message has to arrive automatically.
func (c *conversation) hibernation(t *testing.T) {
	if err := c.relay.WaitHibernated(deadline(t, stepTimeout)); err != nil {
		t.Fatal(err)
	}
	say(t, c.bob, c.ba, c.alice, "are you awake?")
	say(t, c.alice, c.ab, c.bob, "I am")
}

// restarts restarts each service while messages are in progress. Everything that
// was sent arrives, once.
func (c *conversation) restarts(t *testing.T) {
	ctx := deadline(t, 10*time.Minute)
	services, err := c.relay.Services(ctx)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"chatmaild-filtermail-out.service", "chatmaild-doveauth.service", "dovecot.service", c.relay.PostfixUnit()} {
		if !slices.Contains(services, want) {
			t.Fatalf("%s does not run; these do: %s", want, strings.Join(services, " "))
		}
	}
	var sent []string
	for _, service := range services {
		for _, when := range []string{"before", "while", "after"} {
			text := fmt.Sprintf("%s %s restarts", when, service)
			done := make(chan error, 1)
			if when == "while" {
				go func() { _, err := c.relay.Run(ctx, "systemctl", "restart", service); done <- err }()
			} else {
				done <- nil
			}
			send(t, c.bob, c.ba, text)
			if err := <-done; err != nil {
				t.Fatal(err)
			}
			sent = append(sent, text)
		}
		end := nudging(ctx, c.alice, c.bob, c.phone)
		start := time.Now()
		for _, p := range []*core.Profile{c.alice, c.phone} {
			for _, text := range sent[len(sent)-3:] {
				if _, _, err := p.WaitText(ctx, text); err != nil {
					t.Fatalf("restarting %s: %v", service, err)
				}
			}
		}
		end()
		t.Logf("%s: all there %v after its restart", service, time.Since(start).Round(time.Millisecond))
	}
	for _, p := range []*core.Profile{c.alice, c.phone} {
		texts, err := p.Texts(ctx, c.ab)
		if err != nil {
			t.Fatal(err)
		}
		for _, text := range sent {
			if n := count(texts, text); n != 1 {
				t.Errorf("%s has %q %d times", p.Name, text, n)
			}
		}
	}
	c.units(t)
}

func (c *conversation) reboot(t *testing.T) {
	ctx := deadline(t, 5*time.Minute)
	start := time.Now()
	if err := c.relay.Reboot(ctx); err != nil {
		t.Fatal(err)
	}
	t.Logf("the relay rebooted in %v", time.Since(start).Round(time.Millisecond))
	defer nudging(ctx, c.alice, c.bob, c.carol, c.phone)()
	say(t, c.bob, c.ba, c.alice, "still there?")
	say(t, c.alice, c.ab, c.bob, "as ever")
	if out, err := c.relay.Run(ctx, "postqueue", "-j"); err != nil || out != "" {
		t.Errorf("in the queue: %s, %v", out, err)
	}
	c.units(t)
}

func count(texts []string, text string) (n int) {
	for _, s := range texts {
		if s == text {
			n++
		}
	}
	return n
}
