package lab

import (
	"strings"
	"testing"

	"chatmaild/testdata/kit/smtp"
)

// TestReload has other servers and users in the middle of what they say while the
// operator changes the configuration: a run that Postfix can take by a reload ends no
// connection of other servers, and one for which it must restart loses no message. What Postfix's
// servers cannot, the filters do: they say 421 before they hang up, to users as well.
func TestReload(t *testing.T) {
	t.Parallel()
	p := &peers{spelt: newSpelt(t, "_reload.test")}
	p.alice, p.bob = p.sender, p.victim
	t.Run("filters", p.filtersSayWhy)
	t.Run("reload", p.reload)
	t.Run("restart", p.restart)
}

// started are the times at which Postfix, and what it is a name for, started.
func (p *peers) started(t *testing.T) string {
	return p.script(t, "systemctl show --property=ExecMainStartTimestampMonotonic,ActiveEnterTimestampMonotonic %s; cat /var/spool/postfix/pid/master.pid", p.relay.PostfixUnit())
}

// talk is a peer on port 25 that has said so much of a message.
func (p *peers) talk(t *testing.T, lines ...string) *smtp.Client {
	t.Helper()
	c := outside(deadline(t, partTimeout), t, p.outside, p.relay.Domain)
	for _, line := range lines {
		if got, err := c.Command("%s", line); err != nil || got[:3] != "250" && got[:3] != "354" {
			t.Fatalf("%s: got %q, %v", line, got, err)
		}
	}
	return c
}

// change sets a key and has run apply it. It returns what run does to Postfix.
func (p *peers) change(t *testing.T, setting string) (did string) {
	t.Helper()
	p.script(t, "echo '%s' >>%s", setting, configFile)
	for line := range strings.Lines(p.script(t, "chatmaild run --skip-dns-check 2>&1")) {
		if strings.Contains(line, " postfix.service (") {
			did += strings.TrimSpace(line)
		}
	}
	if again := p.script(t, "chatmaild run --skip-dns-check"); !strings.HasPrefix(again, "nothing to do") {
		t.Errorf("another run after %q: %s", setting, again)
	}
	return did
}

// reload changes what a reload brings about, as the next connection shows.
func (p *peers) reload(t *testing.T) {
	mail := []string{"MAIL FROM:<" + p.carol.author + ">", "RCPT TO:<" + p.alice.addr + ">"}
	idle, begun, inData := p.talk(t), p.talk(t, mail...), p.talk(t, append(mail, "DATA")...)
	user, sending := p.submission(t, p.bob), p.submission(t, p.bob)
	for _, line := range []string{"MAIL FROM:<" + p.bob.addr + ">", "RCPT TO:<" + p.alice.addr + ">", "DATA"} {
		if got, err := sending.Command("%s", line); err != nil || got[:3] != "250" && got[:3] != "354" {
			t.Fatalf("%s: got %q, %v", line, got, err)
		}
	}
	before, had := p.started(t), p.messages(t, p.alice)

	if did, want := p.change(t, "max_message_size = 1234567"), "reload postfix.service (its configuration changed)"; did != want {
		t.Errorf("run does %q, want %q", did, want)
	}
	if after := p.started(t); after != before {
		t.Errorf("Postfix was restarted: %s, was %s", after, before)
	}
	message := p.carol.sign(t, encryptedFrom(t, p.carol.author), nil)
	for name, end := range map[string]func() (string, error){
		"in DATA": func() (string, error) { return inData.Body(message) },
		"in a transaction": func() (string, error) {
			if got, err := begun.Command("DATA"); err != nil || got[:3] != "354" {
				return got, err
			}
			return begun.Body(message)
		},
		"idle": func() (string, error) { return idle.Send(p.carol.author, p.alice.addr, message) },
		"a user": func() (string, error) {
			if got, err := user.Command("NOOP"); err != nil || !strings.HasPrefix(got, "421 4.3.2 ") {
				t.Errorf("a user: got %q, %v, want 421", got, err)
			}
			return p.submission(t, p.bob).Send(p.bob.addr, p.alice.addr, sealed(t, p.bob.addr))
		},
		"a user in DATA": func() (string, error) {
			if got, err := sending.Body(sealed(t, p.bob.addr)); err == nil && !strings.HasPrefix(got, "421 ") {
				t.Errorf("a user in DATA: got %q, %v, want 421 or nothing", got, err)
			}
			return p.submission(t, p.bob).Send(p.bob.addr, p.alice.addr, sealed(t, p.bob.addr))
		},
	} {
		if got, err := end(); err != nil || got[:3] != "250" {
			t.Errorf("%s: got %q, %v", name, got, err)
		}
	}
	p.delivered(t)
	if got := p.messages(t, p.alice) - had; got != 5 {
		t.Errorf("Alice got %d messages, want 5", got)
	}
	if got, err := p.talk(t).Command("MAIL FROM:<%s> SIZE=1234568", p.carol.author); err != nil || got[:3] != "552" {
		t.Errorf("a new connection: got %q, %v", got, err)
	}
}

// restart changes what only a restart brings about: its servers just end, and their peers
// send again.
func (p *peers) restart(t *testing.T) {
	begun := p.talk(t, "MAIL FROM:<"+p.carol.author+">", "RCPT TO:<"+p.alice.addr+">", "DATA")
	before, had := p.started(t), p.messages(t, p.alice)
	if did, want := p.change(t, "disable_ipv6 = true"), "restart postfix.service (its configuration changed)"; did != want {
		t.Errorf("run does %q, want %q", did, want)
	}
	if p.started(t) == before {
		t.Error("Postfix was not restarted")
	}
	message := p.carol.sign(t, encryptedFrom(t, p.carol.author), nil)
	if got, err := begun.Body(message); err == nil {
		t.Errorf("a connection outlives a restart: %q", got)
	}
	if got, err := p.talk(t).Send(p.carol.author, p.alice.addr, message); err != nil || got[:3] != "250" {
		t.Errorf("once more: got %q, %v", got, err)
	}
	p.delivered(t)
	if got := p.messages(t, p.alice) - had; got != 1 {
		t.Errorf("Alice got %d messages, want 1", got)
	}
}

// filtersSayWhy is a client of each filter, as Postfix or a user is, while that ends.
func (p *peers) filtersSayWhy(t *testing.T) {
	for _, filter := range []struct{ port, unit string }{
		{"10080", "chatmaild-filtermail-out.service"}, {"587", "chatmaild-filtermail-out.service"}, {"10081", "chatmaild-filtermail-in.service"},
	} {
		got := p.script(t, `bash -c 'exec 3<>/dev/tcp/127.0.0.1/%s
			read -r greeting <&3
			systemctl restart %s
			cat <&3'`, filter.port, filter.unit)
		if !strings.HasPrefix(got, "421 4.3.2 ") {
			t.Errorf("%s says %q, want 421 4.3.2", filter.unit, got)
		}
	}
}
