package lab

import (
	"context"
	"testing"
	"time"
)

// stepTimeout bounds one step of a conversation. It is no measure of speed: it
// only has to be longer than any retry.
const stepTimeout = 3 * time.Minute

// startRelay boots a relay in a lab of its own. A machine without the tools or
// the package fails the test: nothing is skipped. When the test fails, what
// the relay has to say is printed.
func startRelay(t *testing.T, domain string, settings ...string) (*Lab, *Relay) {
	t.Helper()
	deb, err := Deb()
	if err != nil {
		t.Fatal(err)
	}
	l, err := New(t.Context(), t.Output())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := l.Close(); err != nil {
			t.Error("closing the lab:", err)
		}
		if err := leftovers(l); err != nil {
			t.Error(err)
		}
	})
	r, err := l.StartRelay(t.Context(), domain, deb, settings...)
	if r != nil {
		t.Cleanup(func() {
			if t.Failed() {
				r.Diagnose(t.Output())
			}
		})
	}
	if err != nil {
		t.Fatal(err)
	}
	return l, r
}

// startProfile starts a client of its own and signs it up.
func startProfile(t *testing.T, l *Lab, name, qr string) *Profile {
	t.Helper()
	ctx := deadline(t, stepTimeout)
	c, err := l.StartClient(ctx, name)
	if err != nil {
		t.Fatal(err)
	}
	p, err := c.SignUp(ctx, name, qr)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func deadline(t *testing.T, d time.Duration) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), d)
	t.Cleanup(cancel)
	return ctx
}

// say sends a text and waits until it is there.
func say(t *testing.T, from *Profile, chat uint32, to *Profile, text string) Message {
	t.Helper()
	ctx := deadline(t, stepTimeout)
	if _, err := from.SendText(ctx, chat, text); err != nil {
		t.Fatal(err)
	}
	m, _, err := to.WaitText(ctx, text)
	if err != nil {
		t.Fatal(err)
	}
	if !m.ShowPadlock {
		t.Errorf("%s got %q, but not as an encrypted message", to.Name, text)
	}
	return m
}
