package lab

import (
	"bytes"
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/ProtonMail/go-crypto/openpgp"
	"github.com/ProtonMail/go-crypto/openpgp/armor"
	"github.com/ProtonMail/go-crypto/openpgp/packet"

	"chatmaild/testdata/kit/smtp"
	"chatmaild/testdata/lab/debian"
	"chatmaild/testdata/lab/network"
)

// smtpdServes is the last commit whose Postfix takes mail from users, and how its package is
// called here.
const (
	smtpdServes        = "93aca607"
	smtpdServesVersion = "0.1.99"
)

// A submissionProof is a relay to which users send all the time.
type submissionProof struct {
	*proof
	former, deb string
	reader      account
}

// TestSubmission has users send while a relay is upgraded on which Postfix served them, goes
// back, and is upgraded again; while filtermail-out is killed; and while the certificate
// changes. What a user was told is accepted arrives. And a user who sends slowly keeps none of
// Postfix's processes.
func TestSubmission(t *testing.T) {
	t.Parallel()
	s := &submissionProof{proof: &proof{}}
	s.lab, s.deb = newLab(t)
	var err error
	if s.former, err = debian.Former(deadline(t, 2*installTimeout), t.Output(), smtpdServes, smtpdServesVersion); err != nil {
		t.Fatal(err)
	}
	s.relay = startRelayIn(t, s.lab, s.former, "_submission.test", `max_user_send_per_minute = 60000`, `max_user_send_burst_size = 1000`)
	s.outside = addStation(t, s.lab, "outside")
	s.sender, s.reader = s.newAccount(t), s.newAccount(t)
	inTurn(t, s, []step[*submissionProof]{
		{"upgrade", func(s *submissionProof, t *testing.T) { s.upgrade(t, s.deb) }},
		{"downgrade", (*submissionProof).downgrade},
		{"upgrade again", func(s *submissionProof, t *testing.T) { s.upgrade(t, s.deb) }},
		{"killed", (*submissionProof).killed},
		{"another certificate", (*submissionProof).certificate},
		{"a slow user", (*submissionProof).slow},
		{"mail off and on", (*submissionProof).off},
	})
}

// senders are users' clients that send one message after the other.
type senders struct {
	stop context.CancelFunc
	over sync.WaitGroup

	mu       sync.Mutex
	accepted []string // Message-IDs
	failed   []string // what they were told else
	last     time.Time
	pause    time.Duration // the longest without an accepted message
}

var idField = regexp.MustCompile(`(?im)^message-id: (<[^>]*>)`)

// users has one client for each of the two public entrances begin.
func (s *submissionProof) users(t *testing.T) *senders {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	u := &senders{stop: cancel, last: time.Now()}
	for _, port := range []string{"587", network.SubmissionsPort} {
		text := sealed(t, s.sender.addr)
		u.over.Go(func() {
			for n := 0; ctx.Err() == nil; n++ {
				n = s.session(ctx, u, port, text, n)
				select {
				case <-ctx.Done():
				case <-time.After(poll):
				}
			}
		})
	}
	t.Cleanup(func() { u.stop(); u.over.Wait() })
	return u
}

// session sends until something fails, and returns the number of the last message.
func (s *submissionProof) session(ctx context.Context, u *senders, port, text string, n int) int {
	patience, cancel := context.WithTimeout(context.WithoutCancel(ctx), partTimeout)
	defer cancel()
	c, err := s.open(patience, port)
	if err != nil {
		u.note(ctx, "", fmt.Sprintf("%s: %v", port, err))
		return n
	}
	defer c.Close()
	for ; ctx.Err() == nil; n++ {
		id := fmt.Sprintf("<%d.%d@%s>", n, time.Now().UnixNano(), port)
		reply, err := c.Send(s.sender.addr, s.reader.addr, idField.ReplaceAllLiteralString(text, "Message-ID: "+id))
		if err != nil || reply[:3] != "250" {
			u.note(ctx, "", fmt.Sprintf("%s: %s %v", port, reply, err))
			return n
		}
		u.note(ctx, id, "")
		select {
		case <-ctx.Done():
		case <-time.After(poll):
		}
	}
	return n
}

// open is a session of the sender on a port.
func (s *submissionProof) open(ctx context.Context, port string) (*smtp.Client, error) {
	c, err := s.outside.SMTP(ctx, s.relay.Domain, port)
	if err != nil {
		return nil, err
	}
	hello := func() error { return wanted(c, "250", "EHLO station.test") }
	steps := []func() error{hello}
	if port != network.SubmissionsPort {
		steps = append(steps, func() error { return c.StartTLS(ctx, network.Insecure(s.relay.Domain)) }, hello)
	}
	for _, step := range steps {
		if err := step(); err != nil {
			c.Close()
			return nil, err
		}
	}
	if reply, err := c.Login(s.sender.addr, s.sender.password); err != nil || reply[:3] != "235" {
		c.Close()
		return nil, fmt.Errorf("login: %s, %w", reply, err)
	}
	return c, nil
}

// wanted says a line, to which the reply begins with a code.
func wanted(c *smtp.Client, code, line string) error {
	reply, err := c.Command("%s", line)
	if err == nil && !strings.HasPrefix(reply, code) {
		err = errors.New(reply)
	}
	return err
}

func (u *senders) note(ctx context.Context, id, failure string) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if ctx.Err() != nil && id == "" {
		return // it was told to stop
	}
	if failure != "" {
		u.failed = append(u.failed, failure)
		return
	}
	u.accepted = append(u.accepted, id)
	u.pause, u.last = max(u.pause, time.Since(u.last)), time.Now()
}

// count is how many messages have been accepted.
func (u *senders) count() int {
	u.mu.Lock()
	defer u.mu.Unlock()
	return len(u.accepted)
}

// go on until all entrances have taken some more.
func (s *submissionProof) goOn(t *testing.T, u *senders) {
	t.Helper()
	from := u.count()
	until(deadline(t, stepTimeout), t, "each entrance to take more", func() bool {
		u.mu.Lock()
		defer u.mu.Unlock()
		for _, port := range []string{"@587>", "@465>"} {
			if !slices.ContainsFunc(u.accepted[from:], func(id string) bool { return strings.HasSuffix(id, port) }) {
				return false
			}
		}
		return true
	})
}

// arrived ends the senders, and holds that what was accepted is in the mailbox.
func (s *submissionProof) arrived(t *testing.T, u *senders) {
	t.Helper()
	u.stop()
	u.over.Wait()
	s.delivered(t)
	there := map[string]bool{}
	inbox := s.imap(t, s.reader)
	defer inbox.Close()
	if _, err := inbox.Select(); err != nil {
		t.Fatal(err)
	}
	fields, err := inbox.Fetch("1:*", "BODY.PEEK[HEADER.FIELDS (MESSAGE-ID)]")
	if err != nil {
		t.Fatal(err)
	}
	for _, field := range fields {
		if m := idField.FindStringSubmatch(field); m != nil {
			there[m[1]] = true
		}
	}
	lost := slices.DeleteFunc(slices.Clone(u.accepted), func(id string) bool { return there[id] })
	if len(lost) > 0 {
		t.Errorf("%d of %d messages were lost: %q", len(lost), len(u.accepted), lost)
	}
	t.Logf("%d messages were accepted, none for %v at most; %d attempts failed: %q", len(u.accepted), u.pause.Round(time.Millisecond), len(u.failed), brief(u.failed))
}

// brief leaves out what was said before.
func brief(list []string) []string {
	return slices.Compact(slices.Sorted(slices.Values(list)))
}

// holder is the program that listens on port 587.
func (s *submissionProof) holder(t *testing.T) string {
	t.Helper()
	return s.script(t, `ss --no-header --listening --tcp --numeric --processes 'sport = :587' | grep -o 'users:.*' | tr -cd 'a-z\n,-' | head -n 1`)
}

func (s *submissionProof) upgrade(t *testing.T, deb string) {
	u := s.users(t)
	s.goOn(t, u)
	if err := s.relay.InstallDeb(deadline(t, installTimeout), deb); err != nil {
		t.Fatal(err)
	}
	s.goOn(t, u)
	s.arrived(t, u)
	if out := s.script(t, "chatmaild run --skip-dns-check"); !strings.HasPrefix(out, "nothing to do") {
		t.Errorf("run after the upgrade: %s", out)
	}
	if got := s.holder(t); !strings.Contains(got, "filtermail-out") || strings.Contains(got, "master") {
		t.Errorf("port 587 is held by %s", got)
	}
	if out := s.script(t, "systemctl list-units --plain --no-legend --state=failed; systemctl is-active chatmaild-auth-sasl.socket || true"); out != "inactive" {
		t.Errorf("failed units, and the socket of before: %s", out)
	}
}

// downgrade goes back to the version in which Postfix serves users.
func (s *submissionProof) downgrade(t *testing.T) {
	u := s.users(t)
	s.goOn(t, u)
	s.script(t, "apt-get install --yes --quiet --allow-downgrades --no-install-recommends /var/cache/apt/archives/chatmaild_%s_*.deb", smtpdServesVersion)
	s.goOn(t, u)
	s.arrived(t, u)
	if out := s.script(t, "chatmaild run --skip-dns-check"); !strings.HasPrefix(out, "nothing to do") {
		t.Errorf("run after the downgrade: %s", out)
	}
	if got := s.holder(t); !strings.Contains(got, "master") {
		t.Errorf("port 587 is held by %s", got)
	}
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

// armorLines are the armor of a message.
var armorLines = regexp.MustCompile(`(?s)-----BEGIN PGP MESSAGE-----.*-----END PGP MESSAGE-----`)

// large is an encrypted message of so many bytes, with CRLF.
func large(t *testing.T, from string, size int) string {
	t.Helper()
	config := &packet.Config{Algorithm: packet.PubKeyAlgoEdDSA, DefaultCompressionAlgo: packet.CompressionNone}
	entity, err := openpgp.NewEntity("", "", "somebody@x.test", config)
	if err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	a, err := armor.Encode(&b, "PGP MESSAGE", nil)
	if err != nil {
		t.Fatal(err)
	}
	w, err := openpgp.Encrypt(a, []*openpgp.Entity{entity}, nil, nil, config)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.Write(make([]byte, size*3/4)); err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(w.Close(), a.Close()); err != nil {
		t.Fatal(err)
	}
	text := armorLines.ReplaceAllLiteralString(sealed(t, from), b.String())
	return strings.ReplaceAll(strings.ReplaceAll(text, "\r\n", "\n"), "\n", "\r\n")
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
	mail := large(t, s.sender.addr, 20<<20)
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
