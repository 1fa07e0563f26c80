package lab

import (
	"strings"
	"testing"
)

// The accounts that the old relay's operator has blocked: by an edited password, and by
// filtermail's file. Their names start as the echo bot's: what is known of people is
// compared without them.
var (
	erased = account{"erased123@" + oldDomain, "password-of-erased123"}
	exiled = account{"exiled123@" + oldDomain, "password-of-exiled123"}
)

// block has the old relay's operator block accounts.
func (k *imported) block(t *testing.T) {
	for _, a := range []account{erased, exiled} {
		k.imap(t, a).Close()
	}
	k.script(t, "cd %s; printf DISABLED >%s/password; touch %s/DISABLED", oldBoxes, erased.addr, exiled.addr)
}

// blocked holds that both are blocked here, like one that we block ourselves.
func (k *imported) blocked(t *testing.T) {
	t.Helper()
	ours := account{"ejected12@" + oldDomain, "password-of-ejected12"}
	k.script(t, "echo %s | chatmaild user create --stdin %s && chatmaild user block %[2]s", ours.password, ours.addr)
	want := k.refused(t, ours)
	for _, a := range []account{erased, exiled} {
		if got := k.refused(t, a); got != want {
			t.Errorf("%s: the reply to a login is %q, want %q", a.addr, got, want)
		}
		if got := k.script(t, "chatmaild user list | grep %s", a.addr); !strings.HasSuffix(got, " blocked") {
			t.Errorf("the list has %q", got)
		}
	}
	if out := k.script(t, "chatmaild user unblock %s 2>&1 || true", erased.addr); !strings.Contains(out, "chatmaild user password "+erased.addr) {
		t.Errorf("unblock without a password says %q", out)
	}
	k.script(t, "chatmaild user delete %s", ours.addr)
}

// refused is what a login is answered.
func (k *imported) refused(t *testing.T, a account) string {
	t.Helper()
	s, err := k.outside.IMAP(deadline(t, partTimeout), k.relay.Domain)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if err := s.Login(a.addr, a.password); err != nil {
		return err.Error()
	}
	t.Errorf("%s is let in", a.addr)
	return ""
}

// fates holds what became of each file of the old relay, and that nothing of it runs, has
// a port, or starts with the machine.
func (k *imported) fates(t *testing.T) {
	k.blocked(t)
	for _, name := range oldGone {
		if k.script(t, "test ! -e '%s' || echo there", name) != "" {
			t.Errorf("%s is still there", name)
		}
	}
	for _, name := range oldStays {
		if !strings.Contains(k.etc, k.script(t, "sha256sum '%s'", name)) {
			t.Errorf("%s is another one, or was not looked at before", name)
		}
	}
	if got := k.script(t, "cat /etc/sysctl.conf"); got != "# the operator's" {
		t.Errorf("sysctl.conf is %q", got)
	}
	k.nothingOld(t)
	ctx := deadline(t, stepTimeout)
	if err := k.relay.Reboot(ctx); err != nil {
		t.Fatal(err)
	}
	until(ctx, t, "chatmaild status to find nothing wrong", func() bool {
		_, err := k.relay.Run(ctx, "chatmaild", "status")
		return err == nil
	})
	k.nothingOld(t)
	defer nudging(ctx, k.alice, k.bob)()
	say(t, k.bob, k.ba, k.alice, "after the reboot")
	say(t, k.alice, k.ab, k.bob, "and back")
}

// nothingOld holds that nothing of the old relay runs or has a port.
func (k *imported) nothingOld(t *testing.T) {
	t.Helper()
	listening := k.script(t, "ss -Hlntup")
	for line := range strings.Lines(listening) {
		for _, port := range oldPorts {
			if strings.Contains(line, port+" ") {
				t.Errorf("an old port is held: %s", line)
			}
		}
		for _, program := range []string{"filtermail\"", "chatmail-turn", "iroh-relay", "mtail", "python3", "acmetool", "fcgiwrap"} {
			if strings.Contains(line, "\""+program) {
				t.Errorf("an old program has a port: %s", line)
			}
		}
	}
	for _, u := range append(oldRunning, "chatmail-expire.service") {
		if !k.isOld(u) {
			continue
		}
		if got := k.script(t, "systemctl show --property=LoadState,ActiveState --value %s | tr '\\n' ' '", u); got != "masked inactive" {
			t.Errorf("%s is %q", u, got)
		}
	}
	for _, unit := range []string{k.relay.PostfixUnit(), "dovecot.service"} {
		if got := k.script(t, "systemctl show --property=DropInPaths --value %s", unit); strings.Contains(got, "/10") {
			t.Errorf("%s has drop-ins of the old relay: %s", unit, got)
		}
	}
}

// isOld reports whether a unit is the old relay's alone.
func (k *imported) isOld(unit string) bool {
	switch unit {
	case "dovecot.service", "postfix.service", "nginx.service":
		return false
	}
	return true
}
