package lab

import (
	"crypto/x509"
	"errors"
	"io"
	"net"
	"strconv"
	"strings"
	"testing"
	"time"

	"chatmaild/mailfilter/mailtest"
	"chatmaild/testdata/kit/smtp"
	"chatmaild/testdata/lab/network"
)

// A submissionProof is a relay to which users send all the time.
type submissionProof struct {
	*proof
	reader account
}

// TestSubmission has users send while filtermail-out is killed, while the certificate changes,
// and while mail is off. What a user was told is accepted arrives. And a user who sends slowly
// keeps none of Postfix's processes.
func TestSubmission(t *testing.T) {
	t.Parallel()
	lab, deb := newLab(t)
	inTurn(t, startSubmission(t, lab, deb, "_submission.test"), []step[*submissionProof]{
		{"killed", (*submissionProof).killed},
		{"another certificate", (*submissionProof).certificate},
		{"a slow user", (*submissionProof).slow},
		{"mail off and on", (*submissionProof).off},
	})
}

// startSubmission starts a relay of a package, on which a user may send as fast as he can.
func startSubmission(t *testing.T, lab *Lab, deb, domain string) *submissionProof {
	t.Helper()
	s := &submissionProof{proof: &proof{lab: lab}}
	s.relay = startRelayIn(t, lab, deb, domain, `max_user_send_per_minute = 60000`, `max_user_send_burst_size = 1000`)
	s.outside = addStation(t, lab, "outside")
	s.sender, s.reader = s.newAccount(t), s.newAccount(t)
	return s
}

// killed ends filtermail-out in the middle of whatever it does, again and again.
func (s *submissionProof) killed(t *testing.T) {
	u := s.users(t)
	for range 5 {
		s.goOn(t, u)
		s.script(t, "systemctl kill --signal=KILL --kill-whom=main chatmaild-filtermail-out.service")
	}
	s.goOn(t, u)
	s.arrived(t, u)
}

// shown is the certificate that new connections get.
func (s *submissionProof) shown(t *testing.T) *x509.Certificate {
	t.Helper()
	conn, err := s.outside.DialTLS(deadline(t, partTimeout), net.JoinHostPort(s.relay.Domain, network.SubmissionsPort))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	return conn.ConnectionState().PeerCertificates[0]
}

// certificate replaces it: new connections get it, and a session that is open goes on.
func (s *submissionProof) certificate(t *testing.T) {
	c := s.submission(t, s.sender)
	before, pid := s.shown(t), s.script(t, "systemctl show --property=MainPID chatmaild-filtermail-out")
	s.script(t, `cd /etc/chatmail/tls
openssl req -x509 -key privkey.pem -days 1000 -subj /CN=%[1]s -addext subjectAltName=DNS:%[1]s -out fullchain.new
mv fullchain.new fullchain.pem
systemctl start chatmaild-certificate.service`, s.relay.Domain)
	until(deadline(t, stepTimeout), t, "the new certificate", func() bool { return !s.shown(t).Equal(before) })
	s.send(t, c, s.sender, s.reader.addr)
	if now := s.script(t, "systemctl show --property=MainPID chatmaild-filtermail-out"); now != pid {
		t.Errorf("filtermail-out was restarted: %s, was %s", now, pid)
	}
	if out := s.script(t, "chatmaild run --skip-dns-check"); !strings.HasPrefix(out, "nothing to do") {
		t.Errorf("run after that: %s", out)
	}
}

// slow sends a large message by halves: in between no process of Postfix is busy with it.
func (s *submissionProof) slow(t *testing.T) {
	ctx := deadline(t, stepTimeout)
	conn, err := s.outside.DialTLS(ctx, net.JoinHostPort(s.relay.Domain, network.SubmissionsPort))
	if err != nil {
		t.Fatal(err)
	}
	c, err := smtp.New(ctx, conn)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if err := wanted(c, "250", "EHLO station.test"); err != nil {
		t.Fatal(err)
	}
	if reply, err := c.Login(s.sender.addr, s.sender.password); err != nil || reply[:3] != "235" {
		t.Fatalf("login: %s, %v", reply, err)
	}
	const postfix = `ss --no-header --tcp --numeric state established 'sport = :10025' | wc -l
find /var/spool/postfix/maildrop /var/spool/postfix/incoming /var/spool/postfix/active -type f | wc -l`
	s.delivered(t)
	before := s.script(t, postfix)
	if err := errors.Join(wanted(c, "250", "MAIL FROM:<"+s.sender.addr+">"), wanted(c, "250", "RCPT TO:<"+s.reader.addr+">"), wanted(c, "354", "DATA")); err != nil {
		t.Fatal(err)
	}
	mail := by(s.sender.addr, string(mailtest.NewSamples(t).Sized(20<<20)))
	if _, err := io.WriteString(conn, mail[:len(mail)/2]); err != nil {
		t.Fatal(err)
	}
	until(ctx, t, "half of it to be there", func() bool {
		size, err := strconv.Atoi(s.script(t, `pid=$(systemctl show --property=MainPID --value chatmaild-filtermail-out)
for fd in /proc/$pid/fd/*; do case $(readlink $fd) in /var/tmp/*) stat --dereference --format=%%s $fd;; esac; done | sort -n | tail -n 1 | grep . || echo 0`))
		return err == nil && size > len(mail)/3
	})
	if now := s.script(t, postfix); now != before {
		t.Errorf("connections of the filter to Postfix, and messages there: %q, were %q", now, before)
	}
	start := time.Now()
	if reply, err := c.Raw(mail[len(mail)/2:] + ".\r\n"); err != nil || reply[:3] != "250" {
		t.Fatalf("the whole of it: %s, %v", reply, err)
	}
	t.Logf("the other half of %d bytes took %v", len(mail), time.Since(start).Round(time.Millisecond))
	s.delivered(t)
	if found := s.script(t, "doveadm search -u %s mailbox INBOX larger 10M | wc -l", s.reader.addr); found != "1" {
		t.Errorf("%s large messages have arrived", found)
	}
}

// off holds that nothing comes in while mail is off, and that all is as before after it.
func (s *submissionProof) off(t *testing.T) {
	u := s.users(t)
	s.goOn(t, u)
	s.script(t, "chatmaild run --disable-mail")
	if out := s.script(t, "ss --no-header --listening --tcp --numeric 'sport = :25 or sport = :465 or sport = :587 or sport = :10465'"); out != "" {
		t.Errorf("mail is off, and open are\n%s", out)
	}
	s.script(t, "chatmaild run --skip-dns-check")
	s.goOn(t, u)
	s.arrived(t, u)
}
