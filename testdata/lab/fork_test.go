package lab

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"chatmaild/testdata/lab/core"
	"chatmaild/testdata/lab/debian"
)

const forkDomain = "_fork.test"

// A forked is what the steps of TestFork share.
type forked struct {
	proof
	alice, bob *core.Profile
	ab, ba     uint32
}

// TestFork is a Debian 13 on which the Python relay has left its fork of Dovecot 2.3, held
// by a pin; bookworm's Dovecot stands for that. The relay works with it, and goes on by
// itself once the operator has taken the pin away and has Debian's 2.4.
func TestFork(t *testing.T) {
	k := &forked{}
	var deb string
	k.lab, deb = newLabOn(t, debian.Trixie)
	host := startHost(t, k.lab, "fork")
	k.relay = &Relay{Host: host, Domain: forkDomain, lab: k.lab}
	diagnose(t, k.relay)
	k.outside = addStation(t, k.lab, "outside")
	for _, step := range []struct {
		name string
		do   func(context.Context, *testing.T)
	}{
		{"the fork is there", k.fork},
		{"the package changes no Dovecot", func(ctx context.Context, t *testing.T) { k.install(ctx, t, deb) }},
		{"a relay with 2.3", k.run},
		{"people talk", k.talk},
		{"Debian's own", k.replace},
	} {
		if !t.Run(step.name, func(t *testing.T) { step.do(deadline(t, stepTimeout), t) }) {
			break
		}
	}
}

// installDovecot has apt install the Dovecot of a suite on a machine with trixie.
func installDovecot(ctx context.Context, r *Relay, suite debian.Suite) error {
	dir, err := debian.Dovecots(ctx, io.Discard)
	if err != nil {
		return err
	}
	found, err := filepath.Glob(filepath.Join(dir, string(suite), "*.deb"))
	if err != nil || len(found) == 0 {
		return fmt.Errorf("packages in %s: %q, %w", dir, found, err)
	}
	var names []string
	for _, file := range found {
		name := "/var/cache/apt/archives/" + strings.ReplaceAll(filepath.Base(file), "%3a", "_") // apt takes no colon
		names = append(names, name)
		if err := copyFile(ctx, r, file, name); err != nil {
			return err
		}
	}
	_, err = r.Script(ctx, "DEBIAN_FRONTEND=noninteractive apt-get install --yes --quiet --allow-downgrades --no-install-recommends "+
		"-o Dpkg::Options::=--force-confold "+strings.Join(names, " ")+" 2>&1")
	return err
}

func copyFile(ctx context.Context, r *Relay, file, name string) error {
	f, err := os.Open(file)
	if err != nil {
		return err
	}
	defer f.Close()
	return r.WriteFile(ctx, name, 0o644, f)
}

// installFork leaves a Dovecot on a machine with trixie that stands for the Python relay's
// fork of 2.3, with a configuration that it understands.
func installFork(ctx context.Context, r *Relay) error {
	if _, err := r.Script(ctx, `printf 'protocols = imap lmtp\nssl = no\n' >/etc/dovecot/dovecot.conf`); err != nil {
		return err
	}
	return installDovecot(ctx, r, debian.Bookworm)
}

// fork has the machine as cmdeploy leaves it.
func (k *forked) fork(ctx context.Context, t *testing.T) {
	if err := installFork(ctx, k.relay); err != nil {
		t.Fatal(err)
	}
	k.script(t, `printf 'Package: dovecot-*\nPin: version *\nPin-Priority: -1\n' >/etc/apt/preferences.d/pin-dovecot`)
	k.wantVersion(t, "2.3.")
}

func (k *forked) wantVersion(t *testing.T, want string) {
	t.Helper()
	if got := k.script(t, "dovecot --version"); !strings.HasPrefix(got, want) {
		t.Errorf("Dovecot is %s, want %s", got, want)
	}
}

func (k *forked) install(ctx context.Context, t *testing.T, deb string) {
	if err := k.relay.InstallDeb(ctx, deb); err != nil {
		t.Fatal(err)
	}
	k.wantVersion(t, "2.3.")
}

// run makes it a relay, which says nothing of Dovecot.
func (k *forked) run(ctx context.Context, t *testing.T) {
	for _, step := range []func(context.Context) error{
		k.relay.publishAddresses, func(ctx context.Context) error { return k.relay.configure(ctx, nil) }, k.relay.setUp, k.relay.publishKey,
	} {
		if err := step(ctx); err != nil {
			t.Fatal(err)
		}
	}
	if out, err := k.relay.Run(ctx, "chatmaild", "status"); err != nil {
		t.Errorf("chatmaild status: %v\n%s", err, out)
	}
}

func (k *forked) talk(ctx context.Context, t *testing.T) {
	k.alice = startProfile(t, k.lab, "alice", login("alice1234", forkDomain))
	k.bob = startProfile(t, k.lab, "bob", login("bob123456", forkDomain))
	var err error
	k.ba = secureJoin(t, k.bob, k.alice, nil)
	if k.ab, err = k.alice.ChatWith(ctx, k.bob); err != nil {
		t.Fatal(err)
	}
	say(t, k.bob, k.ba, k.alice, "by 2.3")
	say(t, k.alice, k.ab, k.bob, "by 2.3, too")
}

// replace takes the pin away and has Debian's Dovecot: the package's trigger does the rest.
func (k *forked) replace(ctx context.Context, t *testing.T) {
	k.script(t, "rm /etc/apt/preferences.d/pin-dovecot")
	if err := installDovecot(ctx, k.relay, debian.Trixie); err != nil {
		t.Fatal(err)
	}
	k.wantVersion(t, "2.4.")
	if out := k.script(t, "chatmaild run --skip-dns-check"); !strings.Contains(out, "nothing to do") {
		t.Errorf("the trigger has left something to do:\n%s", out)
	}
	if out, err := k.relay.Run(ctx, "chatmaild", "status"); err != nil {
		t.Errorf("chatmaild status: %v\n%s", err, out)
	}
	defer nudging(ctx, k.alice, k.bob)()
	say(t, k.bob, k.ba, k.alice, "by 2.4")
	say(t, k.alice, k.ab, k.bob, "by 2.4, too")
}
