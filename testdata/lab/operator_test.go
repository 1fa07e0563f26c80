package lab

import (
	"strings"
	"testing"
)

// exNoUser and exNoPerm are how doveadm ends for a user who is not there, and for a
// password that is wrong (sysexits.h).
const (
	exNoUser = 67
	exNoPerm = 77
)

// operator uses Dovecot's and nginx's own commands, as an operator does who knows them.
func (p *proof) operator(t *testing.T) {
	t.Run("doveadm", p.doveadm)
	t.Run("doveadm who and kick", p.kick)
	t.Run("nobody complains about the configuration", p.configurations)
	t.Run("COMPRESS", p.compress)
}

func (p *proof) doveadm(t *testing.T) {
	const nobody = "nobody123"
	a, sasl := p.newAccount(t), "/run/chatmaild/auth-submission.socket"
	absent := nobody + "@" + p.relay.Domain
	for _, tt := range []struct {
		args string
		code int
		says string
	}{
		{"user *", 0, a.addr},
		{"user " + a.addr, 0, p.home(a.addr)},
		{"user " + absent, exNoUser, absent},
		{"quota get -u " + a.addr, 0, "STORAGE"},
		{"quota get -u " + absent, exNoUser, absent},
		{"auth test -a " + sasl + " " + a.addr + " " + a.password, 0, "auth succeeded"},
		{"auth test -a " + sasl + " " + a.addr + " wrong-password", exNoPerm, "auth failed"},
	} {
		res, err := p.relay.Exec(deadline(t, partTimeout), nil, append([]string{"doveadm"}, strings.Fields(tt.args)...)...)
		if err != nil {
			t.Fatal(err)
		}
		if said := res.Stdout + res.Stderr; res.Code != tt.code || !strings.Contains(said, tt.says) {
			t.Errorf("doveadm %s: exit status %d, want %d and %q:\n%s", tt.args, res.Code, tt.code, tt.says, said)
		}
	}
	if said := p.script(t, "doveadm user '*' | sort"); said != p.script(t, "cd /home/vmail/mail/%s && ls -d *@*", p.relay.Domain) {
		t.Errorf("doveadm user '*' lists others than have a mailbox:\n%s", said)
	}
}

// kick ends the sessions of a user, and of nobody else.
func (p *proof) kick(t *testing.T) {
	a := p.newAccount(t)
	s, other := p.imap(t, a), p.imap(t, p.sender)
	if who := p.script(t, "doveadm who -1"); !strings.Contains(who, a.addr) {
		t.Errorf("doveadm who does not know %s:\n%s", a.addr, who)
	}
	p.script(t, "doveadm kick %s", a.addr)
	ctx := deadline(t, partTimeout)
	until(ctx, t, "the session to end", func() bool {
		_, _, err := s.Command("NOOP")
		return err != nil
	})
	until(ctx, t, "doveadm who to know", func() bool { return !strings.Contains(p.script(t, "doveadm who -1"), a.addr) })
	if _, err := other.OK("NOOP"); err != nil {
		t.Errorf("another user's session: %v", err)
	}
}

// configurations has the servers read theirs. What they warn of is said on every start.
func (p *proof) configurations(t *testing.T) {
	for _, check := range []string{"nginx -t -q", "doveconf -n", "postconf -n", "postfix check"} {
		if said := p.script(t, "%s 2>&1 >/dev/null", check); said != "" {
			t.Errorf("%s says:\n%s", check, said)
		}
	}
}

// compress has Dovecot do as imap_compress says. A session that compresses never
// hibernates: either the one is offered, or the other.
func (p *proof) compress(t *testing.T) {
	p.compresses(t, false)
	p.script(t, "cp -p /etc/chatmail/chatmail.toml /run/kept.toml; echo 'imap_compress = true' >>/etc/chatmail/chatmail.toml; chatmaild run")
	p.compresses(t, true)
	p.script(t, "mv /run/kept.toml /etc/chatmail/chatmail.toml; chatmaild run")
	p.compresses(t, false)
}

func (p *proof) compresses(t *testing.T, want bool) {
	t.Helper()
	s := p.imap(t, p.sender)
	defer s.Close()
	untagged, err := s.OK("CAPABILITY")
	if err != nil {
		t.Fatal(err)
	}
	if got := strings.Contains(strings.Join(untagged, " "), "COMPRESS=DEFLATE"); got != want {
		t.Errorf("COMPRESS is offered: %t, want %t", got, want)
	}
	if got := p.script(t, "doveconf -h imap_hibernate_timeout"); strings.HasPrefix(got, "0") != want {
		t.Errorf("sessions hibernate after %q, and compress: %t", got, want)
	}
	if !want {
		return // Dovecot 2.4 takes the command nevertheless, from a client that was not asked to
	}
	if _, err := s.OK("COMPRESS DEFLATE"); err != nil {
		t.Errorf("COMPRESS is offered, but: %v", err)
	}
}
