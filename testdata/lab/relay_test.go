package lab

import (
	"bytes"
	"context"
	"crypto/rand"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"chatmaild/testdata/lab/core"
	"chatmaild/testdata/lab/debian"
	"chatmaild/testdata/lab/machine"
	"chatmaild/testdata/lab/network"
	"chatmaild/testdata/lab/peer"
)

// stepTimeout bounds one step of a conversation. It is no measure of speed: it
// only has to be longer than any retry.
const stepTimeout = 3 * time.Minute

// startRelay boots a relay in a lab of its own. A machine without the tools or
// the package fails the test: nothing is skipped. When the test fails, what
// the relay has to say is printed.
func startRelay(t *testing.T, domain string, settings ...string) (*Lab, *Relay) {
	t.Helper()
	return startRelayOn(t, chosen(t), domain, settings...)
}

// startRelayOn is startRelay on a Debian that the test is about.
func startRelayOn(t *testing.T, suite debian.Suite, domain string, settings ...string) (*Lab, *Relay) {
	t.Helper()
	l, deb := newLabOn(t, suite)
	return l, startRelayIn(t, l, deb, domain, settings...)
}

// startRelayIn starts a relay in a lab.
func startRelayIn(t *testing.T, l *Lab, deb, domain string, settings ...string) *Relay {
	t.Helper()
	r, err := l.StartRelay(t.Context(), domain, deb, settings...)
	diagnose(t, r)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// printed is the link that qr prints, by which people sign up.
func printed(t *testing.T, r *Relay, flags ...string) string {
	t.Helper()
	out, err := r.Run(deadline(t, stepTimeout), append([]string{"chatmaild", "qr"}, flags...)...)
	if err != nil {
		t.Fatal(err)
	}
	return lastLine(strings.TrimSuffix(out, "\n"))
}

// startHost starts a Debian machine without a relay.
func startHost(t *testing.T, l *Lab, name string) *machine.Host {
	t.Helper()
	h, err := l.StartHost(t.Context(), name)
	if err != nil {
		t.Fatal(err)
	}
	return h
}

// addStation adds a machine out there.
func addStation(t *testing.T, l *Lab, name string) network.Station {
	t.Helper()
	s, err := l.AddStation(t.Context(), name)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// startAuthority starts a certificate authority, until the test ends.
func startAuthority(t *testing.T, l *Lab) *peer.Authority {
	t.Helper()
	a, err := l.AddAuthority(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if err := a.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(a.Stop)
	return a
}

// startClient starts a client without a profile.
func startClient(t *testing.T, l *Lab, name string) *core.Client {
	t.Helper()
	c, err := l.StartClient(deadline(t, stepTimeout), name)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// chosen is the Debian that was asked for.
func chosen(t *testing.T) debian.Suite {
	t.Helper()
	suite, err := debian.ChosenSuite()
	if err != nil {
		t.Fatal(err)
	}
	return suite
}

// A step is a part of a scenario with the state S.
type step[S any] struct {
	name string
	do   func(S, *testing.T)
}

// inTurn runs steps that rest on each other: none after one that fails.
func inTurn[S any](t *testing.T, state S, steps []step[S]) {
	for _, s := range steps {
		if !t.Run(s.name, func(t *testing.T) { s.do(state, t) }) {
			return
		}
	}
}

// eachStep runs steps that stand alone: all of them.
func eachStep[S any](t *testing.T, state S, steps []step[S]) {
	for _, s := range steps {
		t.Run(s.name, func(t *testing.T) { s.do(state, t) })
	}
}

// newLab is an empty lab that the test closes, and the package to test in it.
func newLab(t *testing.T) (*Lab, string) {
	t.Helper()
	return newLabOn(t, chosen(t))
}

// newLabOn is newLab with a Debian that the test is about.
func newLabOn(t *testing.T, suite debian.Suite) (*Lab, string) {
	t.Helper()
	deb, err := debian.Deb()
	if err != nil {
		t.Fatal(err)
	}
	l, err := NewOn(t.Context(), t.Output(), suite)
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
	return l, deb
}

// diagnose has the test print what the relay has to say if it fails.
func diagnose(t *testing.T, r *Relay) {
	t.Helper()
	if r == nil {
		return
	}
	t.Cleanup(func() {
		if t.Failed() {
			r.Diagnose(t.Output())
		}
	})
}

// startProfile starts a client of its own and signs it up.
func startProfile(t *testing.T, l *Lab, name, qr string) *core.Profile {
	t.Helper()
	ctx := deadline(t, stepTimeout)
	p, err := startClient(t, l, name).SignUp(ctx, name, qr)
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

// sh runs lines of sh on a machine, and returns what they print.
func sh(t *testing.T, on interface {
	Script(ctx context.Context, lines string) (string, error)
}, lines string) string {
	t.Helper()
	out, err := on.Script(deadline(t, installTimeout), lines)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// writeFile writes a file on a machine.
func writeFile(t *testing.T, on interface {
	WriteFile(ctx context.Context, name string, mode os.FileMode, content io.Reader) error
}, name string, mode os.FileMode, content string) {
	t.Helper()
	if err := on.WriteFile(deadline(t, installTimeout), name, mode, strings.NewReader(content)); err != nil {
		t.Fatal(err)
	}
}

// rpc calls a method of a core, or of one of its profiles.
func rpc(t *testing.T, on interface {
	Call(ctx context.Context, result any, method string, params ...any) error
}, result any, method string, params ...any) {
	t.Helper()
	if err := on.Call(deadline(t, installTimeout), result, method, params...); err != nil {
		t.Fatal(err)
	}
}

// publish sets a record in the lab's zone.
func publish(t *testing.T, l *Lab, name, kind, data string) {
	t.Helper()
	if err := l.Zone.Set(name, kind, data); err != nil {
		t.Fatal(err)
	}
}

// secureJoin has a profile join another one, or a group of it, by QR code.
func secureJoin(t *testing.T, p, inviter *core.Profile, group *uint32) (chat uint32) {
	t.Helper()
	chat, err := p.SecureJoin(deadline(t, installTimeout), inviter, group)
	if err != nil {
		t.Fatal(err)
	}
	return chat
}

// send sends a text, and returns the message.
func send(t *testing.T, from *core.Profile, chat uint32, text string) (id uint32) {
	t.Helper()
	id, err := from.SendText(deadline(t, installTimeout), chat, text)
	if err != nil {
		t.Fatal(err)
	}
	return id
}

// say sends a text and waits until it is there.
func say(t *testing.T, from *core.Profile, chat uint32, to *core.Profile, text string) core.Message {
	t.Helper()
	ctx := deadline(t, stepTimeout)
	send(t, from, chat, text)
	m, _, err := to.WaitText(ctx, text)
	if err != nil {
		t.Fatal(err)
	}
	if !m.ShowPadlock {
		t.Errorf("%s got %q, but not as an encrypted message", to.Name, text)
	}
	return m
}

// transfer sends a file of random bytes and waits until it is there, unchanged.
func transfer(t *testing.T, from *core.Profile, chat uint32, to *core.Profile, size int) {
	t.Helper()
	ctx := deadline(t, stepTimeout)
	content := make([]byte, size)
	rand.Read(content)
	name := filepath.Join(t.TempDir(), "file.bin")
	if err := os.WriteFile(name, content, 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := from.SendFile(ctx, chat, name); err != nil {
		t.Fatal(err)
	}
	m, err := to.WaitFile(ctx, "file.bin")
	if err != nil {
		t.Fatal(err)
	}
	got, err := os.ReadFile(m.File)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, content) {
		t.Errorf("%d bytes came out of %d, or others", len(got), len(content))
	}
}
