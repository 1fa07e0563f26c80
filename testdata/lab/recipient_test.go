package lab

import (
	"context"
	"crypto/rand"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"chatmaild/applets/chat/imap"
	"chatmaild/testdata/kit/smtp"
	"chatmaild/testdata/lab/network"
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
	rpc(t, f.alice, nil, "stop_io")
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
	if out.smtp, err = f.alice.Client.SMTP(ctx, f.a.Domain, network.SubmissionsPort); err != nil {
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

// bounced waits for as many reports as there are relays that could not deliver a message,
// each with what it says of whom.
func (a away) bounced(t *testing.T, wants map[string][]string) {
	t.Helper()
	if _, err := a.imap.Wait(a.before + len(wants) - 1); err != nil {
		t.Fatal(err)
	}
	mails, err := a.imap.Fetch(fmt.Sprintf("%d:*", a.before+1), "BODY.PEEK[]")
	if err != nil {
		t.Fatal(err)
	}
	for domain, texts := range wants {
		from := "From: Mail Delivery System <MAILER-DAEMON@" + domain + ">"
		i := slices.IndexFunc(mails, func(mail string) bool { return strings.Contains(mail, from) })
		if i < 0 {
			t.Errorf("no bounce of %s among %q", domain, mails)
			continue
		}
		contains(t, "the bounce of "+domain, mails[i], append(texts, "Content-Type: multipart/report")...)
	}
}

// nobody writes to users whom neither relay has, and to Bob, in one message: both relays
// take it, and Bob gets his copy. Alice is told by each relay once.
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
	here.bounced(t, map[string][]string{
		f.a.Domain: {"nobody123@" + f.a.Domain, "550 5.1.1"},
		f.b.Domain: {nobody, "550 5.1.1"},
	})
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
	// queuewatch would flush the queue at once, because the destination is there.
	sh(t, f.b, "systemctl stop chatmaild-queuewatch.path chatmaild-queuewatch.service && postconf -e defer_transports=lmtp,sealed && postfix reload")
	here := f.leave(ctx, t)
	if got, err := here.smtp.Send(f.alice.Addr, addr, encryptedFrom(t, f.alice.Addr)); err != nil || got[:3] != "250" {
		t.Fatalf("sending: %s, %v", got, err)
	}
	waitDeferred(t, f.b, "deferred transport")
	sh(t, f.b, "chatmaild user delete "+addr+" && postconf -X defer_transports && postfix reload && postqueue -f && systemctl start chatmaild-queuewatch.path")
	here.bounced(t, map[string][]string{f.b.Domain: {addr}})
	if err := f.alice.StartIO(ctx); err != nil {
		t.Fatal(err)
	}
}
