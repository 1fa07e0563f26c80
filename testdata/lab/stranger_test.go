package lab

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"strings"
	"testing"
	"time"

	"github.com/emersion/go-msgauth/dkim"

	"chatmaild/testdata/kit/nameserver"
	"chatmaild/testdata/kit/smtp"
	"chatmaild/testdata/lab/network"
)

// A signer is a domain out there, with keys in the lab's DNS.
type signer struct {
	author string
	keys   map[string]*rsa.PrivateKey
}

func (f *federation) newSigner(t *testing.T) signer { return newSigner(t, f.lab) }

// newSigner makes carol.example, which has the keys rsa and alias, and eve.test.
func newSigner(t *testing.T, l *Lab) signer {
	t.Helper()
	s := signer{author: "carol@carol.example", keys: map[string]*rsa.PrivateKey{}}
	publish := func(name, kind, data string) {
		t.Helper()
		publish(t, l, name, kind, data)
	}
	for _, name := range []string{"rsa", "alias", "eve", "gone"} {
		k, err := rsa.GenerateKey(rand.Reader, 2048)
		if err != nil {
			t.Fatal(err)
		}
		s.keys[name] = k
	}
	record := func(name string) string {
		der, err := x509.MarshalPKIXPublicKey(&s.keys[name].PublicKey)
		if err != nil {
			t.Fatal(err)
		}
		return "v=DKIM1; k=rsa; p=" + base64.StdEncoding.EncodeToString(der)
	}
	publish("rsa._domainkey.carol.example", "TXT", record("rsa"))
	publish("eve._domainkey.eve.test", "TXT", record("eve"))
	publish("carol._domainkey.provider.example", "TXT", record("alias"))
	publish("alias._domainkey.carol.example", "CNAME", "carol._domainkey.provider.example")
	publish("revoked._domainkey.carol.example", "TXT", "v=DKIM1; k=rsa; p=")
	return s
}

// sign signs a message of Carol's in a way that change may change.
func (s signer) sign(t *testing.T, text string, change func(*dkim.SignOptions)) string {
	t.Helper()
	o := &dkim.SignOptions{Domain: "carol.example", Selector: "rsa", Signer: s.keys["rsa"],
		HeaderCanonicalization: dkim.CanonicalizationRelaxed}
	if change != nil {
		change(o)
	}
	var b bytes.Buffer
	if err := dkim.Sign(&b, strings.NewReader(text), o); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// outside opens an SMTP dialogue with Bob's relay, from no relay.
func (f *federation) outside(ctx context.Context, t *testing.T) *smtp.Client {
	t.Helper()
	return outside(ctx, t, f.alice.Client.Station, f.b.Domain)
}

// outside opens an SMTP dialogue with a relay, as far as the TLS handshake.
func outside(ctx context.Context, t *testing.T, from network.Station, domain string) *smtp.Client {
	t.Helper()
	s, err := from.SMTP(ctx, domain, "25")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	if _, err := s.Command("EHLO carol.example"); err != nil {
		t.Fatal(err)
	}
	if err := s.StartTLS(ctx, network.Insecure(domain)); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Command("EHLO carol.example"); err != nil {
		t.Fatal(err)
	}
	return s
}

// strangers sends what a stranger may try.
func (f *federation) strangers(t *testing.T) {
	const (
		taken    = "250 "
		unsigned = "554 5.7.1 No DKIM signature found"
		invalid  = "554 5.7.1 No valid DKIM signature found: "
		clear    = "523 Encryption Needed: Invalid Unencrypted Mail"
		changed  = "header was changed, or the key is another one"
	)
	s := f.newSigner(t)
	mail := encryptedFrom(t, s.author)
	good := s.sign(t, mail, nil)
	with := func(change func(*dkim.SignOptions)) string { return s.sign(t, mail, change) }
	by := func(selector, key string) string {
		return with(func(o *dkim.SignOptions) { o.Selector, o.Signer = selector, s.keys[key] })
	}
	eve := with(func(o *dkim.SignOptions) { o.Domain, o.Selector, o.Signer = "eve.test", "eve", s.keys["eve"] })
	wrong := by("rsa", "eve")
	field := func(text string) string { return text[:strings.Index(text, "\r\nFrom: ")+2] }
	edit := func(old, new string) string {
		if !strings.Contains(good, old) {
			t.Fatalf("no %q in the message", old)
		}
		return strings.Replace(good, old, new, 1)
	}
	plain := "From: <" + s.author + ">\r\nTo: <" + f.bob.Addr + ">\r\nSubject: hello\r\n\r\nanyone can read this\r\n"
	station := f.alice.Client
	literal := func(address string) string { return encryptedFrom(t, "carol@["+address+"]") }
	const forged = "554 5.7.1 The author's address literal is not the client's address"
	ctx := deadline(t, stepTimeout)
	c := f.outside(ctx, t)
	for _, tt := range []struct{ name, text, want string }{
		{"signed", good, taken},
		{"unsigned", mail, unsigned},
		{"signed by another domain", eve, invalid + "no signature is of the author's domain"},
		{"body changed", edit("-----BEGIN", "\r\n-----BEGIN"), invalid + "body was changed"},
		{"header changed", edit("\r\nDate: ", "\r\nDate:  x "), invalid + changed},
		{"second From below", edit("\r\nDate: ", "\r\nFrom: <eve@eve.test>\r\nDate: "), "554 5.6.0 Invalid message header"},
		{"second From on top", "From: <eve@eve.test>\r\n" + good, "554 5.6.0 Invalid message header"},
		{"wrong key", wrong, invalid + changed},
		{"no key", by("gone", "gone"), invalid + "the domain has no such key"},
		{"revoked key", by("revoked", "gone"), invalid + "key was revoked"},
		{"key by a CNAME", by("alias", "alias"), taken},
		{"expired", with(func(o *dkim.SignOptions) { o.Expiration = time.Now().Add(-time.Minute) }), invalid + "signature has expired"},
		{"the right one last", field(wrong) + field(eve) + good, taken},
		{"the right one first", edit("\r\nFrom: ", "\r\n"+field(wrong)+"From: "), taken},
		{"cleartext, signed", s.sign(t, plain, nil), clear},
		{"cleartext, unsigned", plain, clear},
		{"cleartext, badly signed", field(wrong) + plain, clear},
		{"IPv4 literal", literal(station.IPv4.String()), taken},
		{"another's IPv4 literal", literal("192.0.2.1"), forged},
		{"our own IPv4 literal", literal(f.b.IPv4.String()), forged},
		{"IPv6 literal, from an IPv4 address", literal("IPv6:" + station.IPv6.String()), "451 4.7.1 The author's address literal is of another protocol than the client's address"},
		{"a client that says to be another", "Received: from x (unknown [192.0.2.1])\r\n\tby x\r\n" + literal("192.0.2.1"), forged},
		{"in the relay's own name", encryptedFrom(t, f.bob.Addr), unsigned},
	} {
		got, err := c.Send(s.author, f.bob.Addr, tt.text)
		if err != nil || !strings.HasPrefix(got, tt.want) {
			t.Errorf("%s: got %q, %v; want %q", tt.name, got, err, tt.want)
		}
		if _, err := c.Command("RSET"); err != nil {
			t.Fatal(err)
		}
	}
}

// byIPv6 holds that an author's IPv6 literal is proven as an IPv4 literal is.
func (f *federation) byIPv6(t *testing.T) {
	station := f.alice.Client.Station
	c := outside(deadline(t, stepTimeout), t, station, f.b.IPv6.String())
	for _, tt := range []struct{ literal, want string }{
		{"IPv6:" + station.IPv6.String(), "250 "},
		{"IPv6:" + station.IPv6.StringExpanded(), "250 "},
		{"IPv6:" + f.b.IPv6.String(), "554 5.7.1 "},
		{station.IPv4.String(), "451 4.7.1 "},
	} {
		got, err := c.Send("carol@carol.example", f.bob.Addr, encryptedFrom(t, "carol@["+tt.literal+"]"))
		if err != nil || !strings.HasPrefix(got, tt.want) {
			t.Errorf("%s: got %q, %v; want %q", tt.literal, got, err, tt.want)
		}
		if _, err := c.Command("RSET"); err != nil {
			t.Fatal(err)
		}
	}
}

// door tries what Postfix has to say no to.
func (f *federation) door(t *testing.T) {
	ctx := deadline(t, stepTimeout)
	c := f.outside(ctx, t)
	got, err := c.Send("carol@carol.example", "dave@dave.test", "")
	if want := "554 5.7.1 <dave@dave.test>: Relay access denied"; err != nil || got != want {
		t.Errorf("relay attempt: got %q, %v; want %q", got, err, want)
	}

	bare, err := f.alice.Client.SMTP(ctx, f.b.Domain, "25")
	if err != nil {
		t.Fatal(err)
	}
	defer bare.Close()
	if _, err := bare.Command("EHLO carol.example"); err != nil {
		t.Fatal(err)
	}
	got, err = bare.Command("MAIL FROM:<carol@carol.example>")
	if want := "530 5.7.0 Must issue a STARTTLS command first"; err != nil || got != want {
		t.Errorf("without TLS: got %q, %v; want %q", got, err, want)
	}

	s := f.newSigner(t)
	for _, tt := range []struct{ name, end, want string }{
		{"bare LF", "\n.\r\n", "550 5.5.2 " + f.b.Domain + " Error: bare <LF> received"},
		{"bare LF behind the dot", "\r\n.\n", "550 5.5.2 " + f.b.Domain + " Error: bare <LF> received"},
		{"bare CR", "\r.\r\n", "554 5.6.0 Bare CR or LF in the message"},
		{"bare CR behind the dot", "\r\n.\r", "554 5.6.0 Bare CR or LF in the message"},
	} {
		if got := f.smuggle(ctx, t, s, tt.end); got != tt.want {
			t.Errorf("%s: got %q, want %q", tt.name, got, tt.want)
		}
	}
}

// smuggle sends a message in which another is hidden, behind what some server may
// take for the end of the first. It returns the only reply.
func (f *federation) smuggle(ctx context.Context, t *testing.T, s signer, end string) string {
	t.Helper()
	c := f.outside(ctx, t)
	for _, line := range []string{"MAIL FROM:<carol@carol.example>", "RCPT TO:<" + f.bob.Addr + ">", "DATA"} {
		if got, err := c.Command("%s", line); err != nil || got[0] > '3' {
			t.Fatalf("%s: %s, %v", line, got, err)
		}
	}
	const hidden = "MAIL FROM:<eve@eve.test>\r\n"
	reply, err := c.Raw(s.sign(t, encryptedFrom(t, s.author), nil) + end + hidden + "\r\n.\r\n")
	if err != nil {
		t.Fatal(err)
	}
	// A client that hangs up after the first reply has taken no second message either.
	if got, err := c.Command("NOOP"); err == nil && !strings.HasPrefix(got, "250 ") {
		t.Errorf("a second reply came: %s", got)
	}
	return reply
}

// withoutDNS holds that a DNS that fails or is silent refuses nobody for good.
func (f *federation) withoutDNS(t *testing.T) {
	const want = "451 4.4.3 The DKIM key cannot be looked up, try again later"
	ctx := deadline(t, stepTimeout)
	s := f.newSigner(t)
	c := f.outside(ctx, t)
	defer f.lab.Zone.SetFault(nameserver.Healthy)
	for fault, text := range map[nameserver.Fault]string{
		nameserver.ServFail: s.sign(t, encryptedFrom(t, s.author), nil),
		nameserver.Silent:   s.sign(t, encryptedFrom(t, s.author), nil),
	} {
		f.lab.Zone.SetFault(fault)
		if got, err := c.Send(s.author, f.bob.Addr, text); err != nil || got != want {
			t.Errorf("fault %d: got %q, %v; want %q", fault, got, err, want)
		}
		if _, err := c.Command("RSET"); err != nil {
			t.Fatal(err)
		}
	}
}
