package lab

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"chatmaild/applets/chat/imap"
	"chatmaild/testdata/lab/debian"
)

// TestClusterImport takes over a Python relay, which then becomes the first of two machines.
// Its accounts are served by both: those with the old passwords, and not those that were
// blocked.
func TestClusterImport(t *testing.T) {
	t.Parallel()
	k := &imported{}
	var deb string
	k.lab, deb = newLabOn(t, debian.Bookworm)
	k.relay = startOldRelay(t, k.lab, deb)
	k.outside = addStation(t, k.lab, "outside")
	k.run(t, []importStep{
		{"the old relay", (*imported).old},
		{"import under traffic", (*imported).take},
		{"it becomes two machines", func(k *imported, t *testing.T) { k.two(t, deb) }},
	})
}

// two has another machine join the relay.
func (k *imported) two(t *testing.T, deb string) {
	ctx := deadline(t, installTimeout)
	b := &Relay{Host: startHost(t, k.lab, "second"), Domain: oldDomain, lab: k.lab}
	diagnose(t, b)
	if err := b.InstallDeb(ctx, deb); err != nil {
		t.Fatal(err)
	}
	for _, r := range []*Relay{k.relay, b} {
		installPackages(ctx, t, r.Host, debian.PostgreSQL)
	}
	was := uidValidity(t, k.imap(t, k.listener))
	k.script(t, "chatmaild cluster init --name a --address %v", k.relay.IPv4)
	introduce(t, b, k.relay)
	sh(t, b, "chatmaild join --name b root@"+k.relay.Name)

	if err := b.TakeName(oldDomain); err != nil {
		t.Fatal(err)
	}
	end := nudging(ctx, k.alice, k.bob)
	say(t, k.bob, k.ba, k.alice, "hello by way of the second machine")
	say(t, k.alice, k.ab, k.bob, "it is all as it was")
	end()
	at := func(r *Relay, a account) (*imap.Client, error) {
		s, err := k.outside.IMAP(deadline(t, stepTimeout), r.IPv4.String())
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { s.Close() })
		return s, s.Login(a.addr, a.password)
	}
	for _, r := range []*Relay{k.relay, b} {
		for _, a := range []account{k.listener, k.sender, {"alice1234@" + oldDomain, "password-of-alice1234"}, {"bob123456@" + oldDomain, "password-of-bob123456"}} {
			if _, err := at(r, a); err != nil {
				t.Errorf("%s at %s: %v", a.addr, r.Name, err)
			}
			if _, err := at(r, account{a.addr, "what another one chose"}); err == nil || !strings.Contains(err.Error(), "AUTHENTICATIONFAILED") {
				t.Errorf("another one takes %s over, at %s: %v", a.addr, r.Name, err)
			}
		}
		for _, a := range []account{erased, exiled} {
			if _, err := at(r, a); err == nil || !strings.Contains(err.Error(), "AUTHENTICATIONFAILED") {
				t.Errorf("%s, who was blocked, at %s: %v", a.addr, r.Name, err)
			}
		}
		s, err := at(r, k.listener)
		if err != nil {
			t.Fatal(err)
		}
		if now := uidValidity(t, s); now != was {
			t.Errorf("the mailbox at %s: got %s, want %s", r.Name, now, was)
		}
	}
	until(deadline(t, stepTimeout), t, "accounts to be placed on the second machine", func() bool {
		if _, err := at(b, account{fmt.Sprintf("n%08d@%s", time.Now().UnixMilli()%100_000_000, oldDomain), clusterPassword}); err != nil {
			t.Errorf("a new account: %v", err)
		}
		return strings.Contains(sh(t, b, "ls "+oldBoxes), "@")
	})
	if out, err := k.relay.Script(ctx, "chatmaild import --undo 2>&1"); err == nil || !strings.Contains(out, "this relay is several machines") {
		t.Errorf("undo: %s, %v", out, err)
	}
}
