package mailfilter_test

import (
	"bufio"
	"bytes"
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"errors"
	"strings"
	"testing"
	"time"

	msgauth "github.com/emersion/go-msgauth/dkim"

	"chatmaild/mailfilter"
	"chatmaild/mailfilter/dkim"
	"chatmaild/mailfilter/mailtest"
)

// TestSigned holds what a signature is for, and that it has its say last.
func TestSigned(t *testing.T) {
	public, private, err := ed25519.GenerateKey(nil)
	if err != nil {
		t.Fatal(err)
	}
	broken, behind := false, time.Duration(0)
	lookup := func(context.Context, string) (dkim.Records, error) {
		if broken {
			return dkim.Records{}, errors.New("no answer")
		}
		return dkim.Records{Texts: []string{"k=ed25519; p=" + base64.StdEncoding.EncodeToString(public)}}, nil
	}
	policy := mailfilter.NewIncoming(mailfilter.IncomingOptions{
		Mailboxes: mailboxes{t}, Domains: []string{"chat.example", "[198.51.100.1]"},
		DKIM: dkim.New(dkim.Options{Lookup: lookup, Now: func() time.Time { return time.Now().Add(-behind) }, MaxStrangers: 10}),
	})
	sign := func(text, domain string) string {
		var b bytes.Buffer
		o := &msgauth.SignOptions{Domain: domain, Selector: "s", Signer: private}
		if err := msgauth.Sign(&b, strings.NewReader(text), o); err != nil {
			t.Fatal(err)
		}
		return b.String()
	}
	s := mailtest.NewSamples(t)
	good := s.Good()
	literal := func(domain string) string { return s.Edit(good, "<alice@chat.example>", "<alice@"+domain+">") }
	via := func(client string) string {
		return "Received: from mx.example (unknown [" + client + "])\r\n\tby chat.example (Postfix) with ESMTPS id 4C\r\n"
	}
	for _, tt := range []struct {
		name, text, sender, to, want string
		broken                       bool
		behind                       time.Duration // our clock
	}{
		{name: "signed", text: sign(good, "chat.example"), want: "pass"},
		{name: "unsigned", text: good, want: "unsigned"},
		{name: "signed by another", text: sign(good, "eve.example"), want: "bad-signature"},
		{name: "domain in capitals", text: sign(literal("CHAT.example"), "chat.example"), want: "pass"},
		{name: "another author", text: sign(literal("eve.example"), "chat.example"), want: "bad-signature"},
		{name: "changed", text: s.Edit(sign(good, "chat.example"), "To:", "To: <x@y.example>,"), want: "bad-signature"},
		{name: "cleartext", text: sign(mailtest.Plain, "chat.example"), want: "unencrypted"},
		{name: "unsigned cleartext", text: mailtest.Plain, want: "unencrypted"},
		{name: "unsigned cleartext for one who takes it", text: mailtest.Plain, to: "open@chat.example", want: "unsigned"},
		{name: "signed cleartext for one who takes it", text: sign(mailtest.Plain, "chat.example"), to: "open@chat.example", want: "pass"},
		{name: "unsigned SecureJoin request", text: mailtest.SecureJoin, want: "unsigned"},
		{name: "signed SecureJoin request", text: sign(mailtest.SecureJoin, "chat.example"), want: "pass"},
		{name: "IPv4 literal", text: via("192.0.2.1") + literal("[192.0.2.1]"), sender: "alice@[192.0.2.1]", want: "pass"},
		{name: "IPv6 literal", text: via("IPv6:2001:db8::1") + literal("[IPv6:2001:DB8:0::1]"), sender: "alice@[IPv6:2001:db8:0::1]", want: "pass null-sender"},
		{name: "IPv4 literal of another", text: via("192.0.2.2") + literal("[192.0.2.1]"), want: "forged-literal"},
		{name: "IPv6 literal of another", text: via("IPv6:2001:db8::2") + literal("[IPv6:2001:db8::1]"), want: "forged-literal"},
		{name: "IPv4 literal, by IPv6", text: via("IPv6:2001:db8::1") + literal("[192.0.2.1]"), want: "literal-family"},
		{name: "IPv6 literal, by IPv4", text: via("192.0.2.1") + literal("[IPv6:2001:db8::1]"), want: "literal-family"},
		{name: "the trace below is the author's", text: via("192.0.2.2") + via("192.0.2.1") + literal("[192.0.2.1]"), want: "forged-literal"},
		{name: "no trace", text: literal("[192.0.2.1]"), want: "forged-literal"},
		{name: "our own literal", text: via("198.51.100.1") + literal("[198.51.100.1]"), want: "forged-literal"},
		{name: "literal, cleartext", text: s.Edit(mailtest.Plain, "<alice@chat.example>", "<alice@[192.0.2.1]>"), want: "unencrypted"},
		{name: "no IPv4 literal", text: literal("[192.0.2]"), want: "bad-header"},
		{name: "an hour ahead of us", text: sign(good, "chat.example"), behind: time.Hour, want: "future-signature"},
		{name: "an hour ahead of us, and changed", text: s.Edit(sign(good, "chat.example"), "To:", "To: <x@y.example>,"), behind: time.Hour, want: "future-signature"},
		{name: "an hour ahead of us, signed by another", text: sign(good, "eve.example"), behind: time.Hour, want: "bad-signature"},
		{name: "DNS out of order", text: sign(good, "chat.example"), broken: true, want: "key-unknown"},
		{name: "DNS out of order, cleartext", text: sign(mailtest.Plain, "chat.example"), broken: true, want: "unencrypted"},
		{name: "DNS out of order, unsigned", text: good, broken: true, want: "unsigned"},
	} {
		broken, behind = tt.broken, tt.behind
		env := mailfilter.Envelope{Sender: mailtest.Alice, Recipients: []string{mailtest.Bob}}
		if tt.sender != "" {
			env.Sender = tt.sender
		}
		if tt.to != "" {
			env.Recipients = []string{tt.to}
		}
		if got, err := verdict(policy, env, []byte(tt.text)); got != tt.want {
			t.Errorf("%s: got %q (%v), want %q", tt.name, got, err, tt.want)
		}
	}
}

// TestSignedReport holds that a report of another relay, from no one, has to be
// signed by it.
func TestSignedReport(t *testing.T) {
	policy := mailfilter.NewIncoming(mailfilter.IncomingOptions{
		Mailboxes: mailboxes{t}, Domains: []string{"chat.example"},
		DKIM: dkim.New(dkim.Options{Lookup: func(context.Context, string) (dkim.Records, error) { return dkim.Records{}, nil }, Now: time.Now, MaxStrangers: 10}),
	})
	if got, err := verdict(policy, mailfilter.Envelope{Recipients: []string{mailtest.Alice}}, []byte(mailtest.Report)); got != "unsigned" {
		t.Errorf("got %q (%v), want it unsigned", got, err)
	}
}

// BenchmarkIncoming is a whole verdict with and without DKIM, the key cached; the
// difference is what verification takes.
func BenchmarkIncoming(b *testing.B) {
	private, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		b.Fatal(err)
	}
	public, err := x509.MarshalPKIXPublicKey(&private.PublicKey)
	if err != nil {
		b.Fatal(err)
	}
	key := dkim.Records{Texts: []string{"p=" + base64.StdEncoding.EncodeToString(public)}, TTL: time.Hour}
	verifier := dkim.New(dkim.Options{Lookup: func(context.Context, string) (dkim.Records, error) { return key, nil }, Now: time.Now, MaxStrangers: 10})
	s := mailtest.NewSamples(b)
	for _, size := range []struct {
		name  string
		bytes int
	}{{"2KiB", 2 << 10}, {"5MiB", 5 << 20}} {
		var text bytes.Buffer
		o := &msgauth.SignOptions{Domain: "chat.example", Selector: "s", Signer: private, HeaderCanonicalization: "relaxed"}
		if err := msgauth.Sign(&text, bytes.NewReader(s.Sized(size.bytes)), o); err != nil {
			b.Fatal(err)
		}
		for name, v := range map[string]*dkim.Verifier{"plain": nil, "dkim": verifier} {
			policy := mailfilter.NewIncoming(mailfilter.IncomingOptions{Mailboxes: mailboxes{b}, Domains: []string{"chat.example"}, DKIM: v})
			b.Run(size.name+"/"+name, func(b *testing.B) {
				b.ReportAllocs()
				r := bufio.NewReaderSize(nil, 32<<10)
				for b.Loop() {
					r.Reset(chunks{bytes.NewReader(text.Bytes())})
					h, err := mailfilter.ReadHeader(r)
					if err != nil {
						b.Fatal(err)
					}
					c, err := policy.Check(mailfilter.Envelope{Sender: mailtest.Alice, Recipients: []string{mailtest.Bob}}, h)
					if err != nil {
						b.Fatal(err)
					}
					if err := c.Body(r); err != nil {
						b.Fatal(err)
					}
				}
			})
		}
	}
}
