package lab

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

const federatedFile = 1 << 20

// A federation is two relays that know of each other by the DNS alone, and one
// client on each.
type federation struct {
	lab        *Lab
	a, b       *Relay
	alice, bob *Profile
	ab, ba     uint32 // alice's chat with bob, and his with her
}

// TestFederation is the proof that relays trust each other, and nobody else who
// says to be one.
func TestFederation(t *testing.T) {
	f := &federation{}
	var deb string
	f.lab, deb = newLab(t)
	for domain, relay := range map[string]**Relay{"_a.test": &f.a, "_b.test": &f.b} {
		var err error
		*relay, err = f.lab.StartRelay(t.Context(), domain, deb)
		diagnose(t, *relay)
		if err != nil {
			t.Fatal(err)
		}
	}
	f.alice = startProfile(t, f.lab, "alice", f.a.SignUpQR())
	f.bob = startProfile(t, f.lab, "bob", f.b.SignUpQR())
	for _, step := range []struct {
		name string
		do   func(*federation, *testing.T)
	}{
		{"scan a QR code", (*federation).scan},
		{"text both ways", (*federation).text},
		{"file", (*federation).file},
		{"bounce", (*federation).bounce},
		{"OpenDKIM agrees", (*federation).openDKIM},
		{"we agree with OpenDKIM", (*federation).signs},
		{"strangers", (*federation).strangers},
		{"strangers at the door", (*federation).door},
		{"DNS out of order", (*federation).withoutDNS},
		{"text after all that", (*federation).text},
	} {
		if !t.Run(step.name, func(t *testing.T) { step.do(f, t) }) {
			break
		}
	}
}

func (f *federation) scan(t *testing.T) {
	ctx := deadline(t, stepTimeout)
	var err error
	if f.ba, err = f.bob.SecureJoin(ctx, f.alice, nil); err != nil {
		t.Fatal(err)
	}
	if f.ab, err = f.alice.ChatWith(ctx, f.bob); err != nil {
		t.Fatal(err)
	}
}

func (f *federation) text(t *testing.T) {
	say(t, f.bob, f.ba, f.alice, "hello Alice, "+t.Name())
	say(t, f.alice, f.ab, f.bob, "hello Bob, "+t.Name())
}

func (f *federation) file(t *testing.T) {
	transfer(t, f.alice, f.ab, f.bob, federatedFile)
}

// bounce writes to a user whom the other relay does not have. What it says of
// that comes back through our filter, which wants its signature.
func (f *federation) bounce(t *testing.T) {
	ctx := deadline(t, stepTimeout)
	if err := f.alice.Call(ctx, nil, "stop_io"); err != nil { // lest it fetches the mail
		t.Fatal(err)
	}
	password, err := f.alice.Password(ctx)
	if err != nil {
		t.Fatal(err)
	}
	imap, err := f.alice.Client.IMAP(ctx, f.a.Domain)
	if err != nil {
		t.Fatal(err)
	}
	defer imap.Close()
	if err := imap.Login(f.alice.Addr, password); err != nil {
		t.Fatal(err)
	}
	before, err := imap.Select()
	if err != nil {
		t.Fatal(err)
	}
	smtp, err := f.alice.Client.SMTP(ctx, f.a.Domain, submissionsPort)
	if err != nil {
		t.Fatal(err)
	}
	defer smtp.Close()
	if _, err := smtp.Command("EHLO client.test"); err != nil {
		t.Fatal(err)
	}
	if got, err := smtp.Login(f.alice.Addr, password); err != nil || got[:3] != "235" {
		t.Fatalf("login: %s, %v", got, err)
	}
	nobody := "nobody@" + f.b.Domain
	if got, err := smtp.Send(f.alice.Addr, nobody, encryptedFrom(t, f.alice.Addr)); err != nil || got[:3] != "250" {
		t.Fatalf("sending: %s, %v", got, err)
	}
	mail, err := imap.WaitMail(before)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"Content-Type: multipart/report", "From: Mail Delivery System <MAILER-DAEMON@" + f.b.Domain + ">", nobody} {
		if !strings.Contains(mail, want) {
			t.Errorf("no %q in the bounce:\n%.2000s", want, mail)
		}
	}
	if err := f.alice.StartIO(ctx); err != nil {
		t.Fatal(err)
	}
}

// encryptedFrom returns an encrypted message as if from an address.
func encryptedFrom(t *testing.T, from string) string {
	t.Helper()
	root, err := ModuleDir()
	if err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(filepath.Join(root, "testdata", "mail", "101-delta-chat.eml"))
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(text), "\r\n") // its From
	return fmt.Sprintf("From: <%s>\r\n%s", from, rest)
}
