package lab

import (
	"strings"
	"testing"

	"chatmaild/testdata/lab/debian"
)

// TestImportImage takes a Python relay over in a container of the image, from a copy of its
// files, with real clients that were made before and notice nothing.
func TestImportImage(t *testing.T) {
	image, err := debian.Image()
	if err != nil {
		t.Fatal(err)
	}
	k, volume := &imported{}, t.TempDir() // which goes after the container
	var deb string
	k.lab, deb = newLabOn(t, debian.Bookworm) // the old relay is made of Dovecot 2.3
	k.relay = startOldRelay(t, k.lab, deb)
	k.outside = addStation(t, k.lab, "outside")
	c, err := k.lab.StartEmptyImage(deadline(t, installTimeout), oldDomain, image, volume)
	t.Cleanup(func() {
		if t.Failed() && c != nil {
			c.Diagnose(t.Output())
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	k.young = c.Relay
	k.run(t, []importStep{
		{"the old relay", (*imported).old},
		{"import of a copy", (*imported).copied},
		{"a restart does not start it", func(_ *imported, t *testing.T) { c.staysOff(t, "the relay is off until: chatmaild run") }},
		{"it runs", (*imported).runsCopy},
		{"it is the same", (*imported).sameCopy},
		{"a restart starts it", func(k *imported, t *testing.T) {
			c.restart(t)
			defer nudging(t.Context(), k.alice, k.bob)()
			say(t, k.bob, k.ba, k.alice, "hello after a restart")
			k.brake(t)
		}},
	})
}

// restart stops the container and starts it again, until it says that it is well.
func (c *Container) restart(t *testing.T) {
	t.Helper()
	ctx := deadline(t, stepTimeout)
	if status, err := c.Stop(ctx); err != nil || status != 0 {
		t.Errorf("stopping: status %d, %v; console: %s", status, err, c.Console())
	}
	if err := c.Boot(ctx); err != nil {
		t.Fatal(err)
	}
}

// staysOff restarts a container in which a relay is not to run yet: it says so, and is up.
func (c *Container) staysOff(t *testing.T, why string) {
	t.Helper()
	c.restart(t)
	ctx := deadline(t, stepTimeout)
	err := untilTrue(ctx, func() bool { return strings.Contains(c.Console(), why) })
	if err != nil {
		t.Errorf("it does not say %q: %s", why, c.Console())
	}
	if res, err := c.Exec(ctx, nil, "pgrep", "-x", "master|dovecot|nginx|doveauth|acme|echobot"); err != nil || res.Code != 1 {
		t.Errorf("something runs: %+v, %v", res, err)
	}
}

// brake has nobody sign up for a while.
func (k *imported) brake(t *testing.T) {
	k.script(t, "chatmaild nocreate on")
	contains(t, "nocreate status", k.script(t, "chatmaild nocreate status"), "on: no new accounts")
	late := account{"late12345@" + oldDomain, "password-of-late12345"}
	s, err := k.outside.IMAP(deadline(t, partTimeout), oldDomain)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if s.Login(late.addr, late.password) == nil {
		t.Error("an account was created")
	}
	k.script(t, "chatmaild nocreate off")
	k.imap(t, late)
}
