package lab

import (
	"fmt"
	"strings"
	"testing"
)

// handover has the transport take signing over from OpenDKIM while users write and mail
// bounces: all is signed, once, and nothing is refused.
func (r *roads) handover(t *testing.T) {
	ctx := deadline(t, 2*stepTimeout)
	if err := r.relay.SignByOpenDKIM(ctx); err != nil {
		t.Fatal(err)
	}
	before, sent := len(r.mx.Received()), 0
	write := func() {
		t.Helper()
		for range 2 {
			if got := r.fromUser(t, r.sender.addr, r.carol.author, sealed(t, r.sender.addr)); got[:3] != "250" {
				t.Fatal(got)
			}
		}
		gone := fmt.Sprintf("gone%05d@%s", sent, r.relay.Domain)
		if got := r.fromCarol(t, r.carol.author, gone, r.carol.sign(t, encryptedFrom(t, r.carol.author), nil)); got[:3] != "250" {
			t.Fatal(got)
		}
		sent += 3
	}
	for range 5 {
		write()
	}
	ran := make(chan error, 1)
	go func() {
		out, err := r.relay.Script(ctx, "chatmaild run --skip-dns-check 2>&1")
		t.Logf("chatmaild run, while %s", out)
		ran <- err
	}()
	for running := true; running; {
		select {
		case err := <-ran:
			if err != nil {
				t.Fatal(err)
			}
			running = false
		default:
			write()
		}
	}
	for range 5 {
		write()
	}
	r.delivered(t)
	mails := r.mx.Received()[before:]
	if len(mails) != sent {
		t.Errorf("%d messages came, of %d", len(mails), sent)
	}
	for _, m := range mails {
		header, _, _ := strings.Cut(m.Text, "\r\n\r\n")
		if n := strings.Count(header, "DKIM-Signature: "); n != 1 {
			t.Errorf("%d signatures:\n%s", n, header)
		}
		if err := verify(r.lab, m.Text, r.relay.Domain); err != nil {
			t.Errorf("%v:\n%s", err, header)
		}
	}
	t.Logf("%d messages were signed", len(mails))
	if out := r.script(t, "systemctl is-active opendkim || true; systemctl is-enabled opendkim || true; stat -c %%U /etc/dkimkeys /etc/dkimkeys/*.private; ls /etc/opendkim.conf 2>&1 || true"); !strings.HasPrefix(out, "inactive\ndisabled\nroot\nroot\n") || !strings.Contains(out, "No such file") {
		t.Errorf("OpenDKIM is not gone: %s", out)
	}
	// As NEWS tells operators; apt itself leaves it alone.
	if out := r.script(t, "apt-get --dry-run autoremove"); strings.Contains(out, "opendkim ") {
		t.Errorf("apt would remove OpenDKIM by itself:\n%s", out)
	}
	r.script(t, "DEBIAN_FRONTEND=noninteractive apt-get purge --quiet --yes opendkim; cat /etc/dkimkeys/%s.private", selector)
	if out := r.script(t, "chatmaild run --skip-dns-check --dry-run"); !strings.Contains(out, "nothing to do") {
		t.Errorf("a second run has something to do:\n%s", out)
	}
}

// postfixDelivers has Postfix deliver what the transport has signed.
func (r *roads) postfixDelivers(t *testing.T) {
	r.script(t, `sed -i '/^#*transport = /d' %s; echo 'transport = "postfix"' >>%[1]s; chatmaild run --skip-dns-check`, configFile)
	r.signed(t)
	if out := r.script(t, "journalctl --identifier postfix/smtp --output cat | grep -c status=sent"); out == "0" {
		t.Error("Postfix's client has delivered nothing")
	}
	r.script(t, `sed -i '/^transport = /d' %s; chatmaild run --skip-dns-check`, configFile)
}
