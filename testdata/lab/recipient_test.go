package lab

import (
	"context"
	"crypto/rand"
	"fmt"
	"strings"
	"testing"
	"time"

	"chatmaild/testdata/kit/imap"
	"chatmaild/testdata/kit/smtp"
)

// away is Alice's mailbox while her client does not fetch from it.
type away struct {
	imap   *imap.Client
	before int // messages that were there
	smtp   *smtp.Client
}

// leave ends the client's connections and opens the test's own.
func (f *federation) leave(ctx context.Context, t *testing.T) away {
	t.Helper()
	if err := f.alice.Call(ctx, nil, "stop_io"); err != nil {
		t.Fatal(err)
	}
	password, err := f.alice.Password(ctx)
	if err != nil {
		t.Fatal(err)
	}
	var out away
	if out.imap, err = f.alice.Client.IMAP(ctx, f.a.Domain); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { out.imap.Close() })
	if err := out.imap.Login(f.alice.Addr, password); err != nil {
		t.Fatal(err)
	}
	if out.before, err = out.imap.Select(); err != nil {
		t.Fatal(err)
	}
	if out.smtp, err = f.alice.Client.SMTP(ctx, f.a.Domain, submissionsPort); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { out.smtp.Close() })
	if _, err := out.smtp.Command("EHLO client.test"); err != nil {
		t.Fatal(err)
	}
	if got, err := out.smtp.Login(f.alice.Addr, password); err != nil || got[:3] != "235" {
		t.Fatalf("login: %s, %v", got, err)
	}
	return out
}

// bounced waits for the report of a message that was not delivered.
func (a away) bounced(t *testing.T, from string, wants ...string) {
	t.Helper()
	mail, err := a.imap.WaitMail(a.before)
	if err != nil {
		t.Fatal(err)
	}
	contains(t, "the bounce", mail, append(wants, "Content-Type: multipart/report",
		"From: Mail Delivery System <MAILER-DAEMON@"+from+">")...)
}

// nobody writes to users whom neither relay has, and to Bob, in one message: the
// other relay refuses the first at once, our own takes it, and Bob gets his copy.
// Alice is told by her own relay.
func (f *federation) nobody(t *testing.T) {
	ctx := deadline(t, stepTimeout)
	here := f.leave(ctx, t)
	there, err := f.b.WatchMail(f.bob.Addr)
	if err != nil {
		t.Fatal(err)
	}
	defer there.Close()
	nobody := "nobody123@" + f.b.Domain
	for _, line := range []string{
		"MAIL FROM:<" + f.alice.Addr + ">", "RCPT TO:<nobody123@" + f.a.Domain + ">",
		"RCPT TO:<" + nobody + ">", "RCPT TO:<" + f.bob.Addr + ">", "DATA",
	} {
		if got, err := here.smtp.Command("%s", line); err != nil || got[0] > '3' {
			t.Fatalf("%s: %s, %v", line, got, err)
		}
	}
	start := time.Now()
	if got, err := here.smtp.Body(encryptedFrom(t, f.alice.Addr)); err != nil || got[:3] != "250" {
		t.Fatalf("sending: %s, %v", got, err)
	}
	here.bounced(t, f.a.Domain, "nobody123@"+f.a.Domain, nobody, "User unknown")
	if _, err := there.After(ctx, f.bob.Addr, start); err != nil {
		t.Error(err)
	}
	if err := f.alice.StartIO(ctx); err != nil {
		t.Fatal(err)
	}
}

// gone deletes a user while a message to him waits. What the other relay says of
// that comes back through our filter, which wants its signature.
func (f *federation) gone(t *testing.T) {
	ctx := deadline(t, stepTimeout)
	addr := strings.ToLower(rand.Text()[:9]) + "@" + f.b.Domain
	imap, err := f.bob.Client.IMAP(ctx, f.b.Domain)
	if err != nil {
		t.Fatal(err)
	}
	if err := imap.Login(addr, rand.Text()[:22]); err != nil {
		t.Fatal(err)
	}
	imap.Close()
	if _, err := f.b.Script(ctx, "postconf -e defer_transports=lmtp && postfix reload"); err != nil {
		t.Fatal(err)
	}
	here := f.leave(ctx, t)
	if got, err := here.smtp.Send(f.alice.Addr, addr, encryptedFrom(t, f.alice.Addr)); err != nil || got[:3] != "250" {
		t.Fatalf("sending: %s, %v", got, err)
	}
	waitDeferred(t, f.b, "deferred transport")
	if _, err := f.b.Script(ctx, "chatmaild user delete "+addr+" && postconf -X defer_transports && postfix reload && postqueue -f"); err != nil {
		t.Fatal(err)
	}
	here.bounced(t, f.b.Domain, addr)
	if err := f.alice.StartIO(ctx); err != nil {
		t.Fatal(err)
	}
}

// unknown has a stranger ask for users whom the relay does not have. They are many
// and cost neither time nor the connection: those who are there get their mail.
func (f *federation) unknown(ctx context.Context, t *testing.T, c *smtp.Client) {
	t.Helper()
	if _, err := c.Command("RSET"); err != nil {
		t.Fatal(err)
	}
	if got, err := c.Command("MAIL FROM:<carol@carol.example>"); err != nil || got[:3] != "250" {
		t.Fatalf("MAIL: %s, %v", got, err)
	}
	local, _, _ := strings.Cut(f.bob.Addr, "@")
	for _, tt := range []struct{ addr, want string }{
		{"nobody123@" + f.b.Domain, "550 5.1.1 <%s>: Recipient address rejected: User unknown"},
		// Postfix lets it in by itself (RFC 5321 §4.5.1); unless an operator made the
		// account, the sender is told later that nobody reads it.
		{"postmaster@" + f.b.Domain, "250 2.1.5 Ok"},
		{strings.ToUpper(f.bob.Addr), "250 2.1.5 Ok"},
		{local + "+detail@" + f.b.Domain, "250 2.1.5 Ok"},
	} {
		want := tt.want
		if strings.Contains(want, "%s") {
			want = fmt.Sprintf(want, tt.addr)
		}
		if got, err := c.Command("RCPT TO:<%s>", tt.addr); err != nil || got != want {
			t.Errorf("RCPT TO:<%s>: got %q, %v; want %q", tt.addr, got, err, want)
		}
	}
	const members = 30 // more than Postfix's 20 errors
	for i := range members {
		if got, err := c.Command("RCPT TO:<gone%d@%s>", i, f.b.Domain); err != nil || got[:9] != "550 5.1.1" {
			t.Fatalf("user %d who is not there: got %q, %v", i, got, err)
		}
	}
	if got, err := c.Command("RCPT TO:<%s>", f.bob.Addr); err != nil || got[:3] != "250" {
		t.Errorf("Bob after them: got %q, %v", got, err)
	}
	f.withoutDoveauth(ctx, t, c)
	if _, err := c.Command("RSET"); err != nil {
		t.Fatal(err)
	}
}

// withoutDoveauth holds that nobody is refused for good while nobody can say who is
// at home.
func (f *federation) withoutDoveauth(ctx context.Context, t *testing.T, c *smtp.Client) {
	t.Helper()
	const units = " chatmaild-auth-login.socket chatmaild-auth-master.socket chatmaild-auth-userdb.socket" +
		" chatmaild-auth-sasl.socket chatmaild-recipients.socket chatmaild-doveauth.service"
	if _, err := f.b.Script(ctx, "systemctl stop"+units); err != nil {
		t.Fatal(err)
	}
	want := "451 4.3.0 <" + f.bob.Addr + ">: Temporary lookup failure"
	if got, err := c.Command("RCPT TO:<%s>", f.bob.Addr); err != nil || got != want {
		t.Errorf("without doveauth: got %q, %v; want %q", got, err, want)
	}
	if _, err := f.b.Script(ctx, "systemctl start"+units); err != nil {
		t.Fatal(err)
	}
	if got, err := c.Command("RCPT TO:<%s>", f.bob.Addr); err != nil || got[:3] != "250" {
		t.Errorf("with doveauth again: got %q, %v", got, err)
	}
}
