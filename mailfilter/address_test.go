package mailfilter

import (
	"bufio"
	"errors"
	"net/mail"
	"net/netip"
	"strings"
	"testing"
)

// TestParse holds that our own domain has one spelling of each address, and that what is
// said of others can be compared.
func TestParse(t *testing.T) {
	long := strings.Repeat("x", maxLocalPart)
	own := newDomains([]string{"Chat.example", "[192.0.2.1]"})
	for _, tt := range []struct {
		in, want, mailbox string // want "" is an error
	}{
		{"alice@chat.example", "alice@chat.example", "alice@chat.example"},
		{"Alice.A-b_c@Chat.Example", "alice.a-b_c@chat.example", "alice.a-b_c@chat.example"},
		{"alice+A+b@chat.example", "alice+a+b@chat.example", "alice@chat.example"},
		{"alice@[192.0.2.1]", "alice@[192.0.2.1]", "alice@[192.0.2.1]"},
		{"+a@chat.example", "", ""},
		{"a.+b@chat.example", "", ""},
		{"alice+@chat.example", "", ""},
		{"alice%chat.example@chat.example", "", ""},
		{"alice%foreign.example@chat.example", "", ""},
		{"chat.example!alice@chat.example", "", ""},
		{"alice=chat.example@chat.example", "", ""},
		{"o'neil@chat.example", "", ""},
		{"\u212Aim@chat.example", "", ""},
		{"a/b@chat.example", "", ""},

		{"alice@_foreign.example", "alice@_foreign.example", ""},
		{"Alice+A@Foreign.example", "alice+a@foreign.example", ""},
		{"alice%chat.example@foreign.example", "alice%chat.example@foreign.example", ""},
		{"chat.example!alice@foreign.example", "chat.example!alice@foreign.example", ""},
		{"srs0=a/b=c@foreign.example", "srs0=a/b=c@foreign.example", ""},
		{"\u00fc@foreign.example", "\u00fc@foreign.example", ""},
		{"alice@sub.chat.example", "alice@sub.chat.example", ""},
		{"alice@[192.0.2.2]", "alice@[192.0.2.2]", ""},
		{"alice@[IPv6:2001:DB8:0::1]", "alice@[ipv6:2001:db8::1]", ""},
		{long + "@x", long + "@x", ""},

		{"", "", ""},
		{"alice", "", ""},
		{"postmaster", "", ""},
		{"@chat.example", "", ""},
		{"alice@", "", ""},
		{"alice@.example", "", ""},
		{"alice@chat.example.", "", ""},
		{"alice@chat..example", "", ""},
		{"alice@\u212Ahat.example", "", ""},
		{"alice@b\u00fc.example", "", ""},
		{"alice@192.0.2.1", "", ""},
		{"alice@[]", "", ""},
		{"alice@[192.0.2.1", "", ""},
		{"alice@[192.0.02.1]", "", ""},
		{"alice@[192.0.2]", "", ""},
		{"alice@[192.0.2.1/..]", "", ""},
		{"alice@[2001:db8::1]", "", ""},
		{"alice@[IPv6:192.0.2.1]", "", ""},
		{"alice@[IPv6:::ffff:192.0.2.1]", "", ""},
		{"alice@[IPv6:fe80::1%eth0]", "", ""},
		{"alice@[IPv6:]", "", ""},
		{"a\\b@chat.example", "", ""},
		{"..@chat.example", "", ""},
		{"a b@chat.example", "", ""},
		{"a\tb@chat.example", "", ""},
		{"a\r\nb@chat.example", "", ""},
		{"a\x7fb@chat.example", "", ""},
		{"<alice@chat.example>", "", ""},
		{"\"alice\"@chat.example", "", ""},
		{"\"alice\"@foreign.example", "", ""},
		{"alice@b@chat.example", "", ""},
		{"alice@chat.example@foreign.example", "", ""},
		{"@foreign.example:alice@chat.example", "", ""},
		{"alice(comment)@chat.example", "", ""},
		{"alice@chat.example\x00", "", ""},
		{"alice\xff@foreign.example", "", ""},
		{long + "x@x", "", ""},
		{"alice@" + strings.Repeat("x", maxDomain+1), "", ""},
	} {
		a, err := own.parse(tt.in)
		if got := a.String(); err == nil && got != tt.want || a.mailbox != tt.mailbox || (err == nil) != (tt.want != "") {
			t.Errorf("%q: got %q, mailbox %q, %v; want %q, %q", tt.in, got, a.mailbox, err, tt.want, tt.mailbox)
		}
	}
	if a, err := own.recipient("PostMaster"); err != nil || a.mailbox != "postmaster@chat.example" {
		t.Errorf("postmaster: got %q, %v", a.mailbox, err)
	}
}

// FuzzParse: what is an address is one for net/mail too, with the same domain; and it is
// its own spelling.
func FuzzParse(f *testing.F) {
	for _, s := range []string{
		"alice@chat.example", "a+b@Chat.example", "a%b@chat.example", "x!y@foreign.example", "\u212A@chat.example",
		"a@b@chat.example", "\"a\"@chat.example", "a@[192.0.2.1]", "a@[IPv6:2001:db8::1]", "a@chat.example.",
	} {
		f.Add(s)
	}
	own := newDomains([]string{"chat.example"})
	f.Fuzz(func(t *testing.T, s string) {
		a, err := own.parse(s)
		if err != nil {
			return
		}
		again, err := own.parse(a.String())
		if err != nil || again != a {
			t.Fatalf("%q is %q, which is read back as %q, %v", s, a, again, err)
		}
		if strings.Contains(a.domain, "[") {
			return // net/mail knows no IPv6 literals
		}
		parsed, err := mail.ParseAddress("<" + s + ">")
		if err != nil || lowerString(parsed.Address) != a.String() {
			t.Fatalf("%q is %q, for net/mail %v, %v", s, a, parsed, err)
		}
		if ours := strings.HasSuffix(a.String(), "@chat.example"); ours != (a.mailbox != "") {
			t.Fatalf("%q has the mailbox %q", s, a.mailbox)
		}
	})
}

func TestClient(t *testing.T) {
	for _, tt := range []struct{ field, want string }{
		{"Received: from mx.example (unknown [192.0.2.1])\r\n\tby chat.example (Postfix) with ESMTPS id 4C\r\n", "192.0.2.1"},
		{"Received: from [192.0.2.9] (unknown [192.0.2.1])\r\n\tby chat.example\r\n", "192.0.2.1"},
		{"Received: from mx.example (unknown [IPv6:2001:db8::1])\r\n\tby chat.example\r\n", "2001:db8::1"},
		{"Received: from mx.example (unknown [unknown])\r\n\tby chat.example\r\n", ""},
		{"Received: from mx.example (unknown [192.0.2.1] [192.0.2.2])\r\n\tby chat.example\r\n", ""},
		{"Received: from mx.example (unknown [192.0.2.1]\r\n\tby chat.example\r\n", ""},
		{"Received: from mx.example (unknown [192.0.2.1])\r\n", ""},
		{"Received: by chat.example (unknown [192.0.2.1])\r\n\tby chat.example\r\n", ""},
		{"Subject: x\r\nReceived: from mx.example (unknown [192.0.2.1])\r\n\tby chat.example\r\n", ""},
		{"", ""},
	} {
		h, err := ReadHeader(reader(tt.field + "\r\n"))
		if err != nil {
			t.Fatal(err)
		}
		ip, ok := h.client()
		if want, _ := netip.ParseAddr(tt.want); ip != want && ok || ok != (tt.want != "") {
			t.Errorf("%q: got %v, %t; want %s", tt.field, ip, ok, tt.want)
		}
	}
}

func reader(s string) *bufio.Reader { return bufio.NewReader(strings.NewReader(s)) }

func TestNewOutgoingRefuses(t *testing.T) {
	for _, entry := range []string{"", "@", "robot", "robot@", "@a/b", "a b@chat.example", "*@chat.example@x"} {
		if _, err := NewOutgoing(OutgoingOptions{PassthroughSenders: []string{entry}}); err == nil {
			t.Errorf("sender %q gave no error", entry)
		}
		if _, err := NewOutgoing(OutgoingOptions{PassthroughRecipients: []string{entry}}); err == nil {
			t.Errorf("recipient %q gave no error", entry)
		}
	}
}

// TestPassthroughOfOwnDomain holds that a domain of ours that takes cleartext is not a way
// through us to others.
func TestPassthroughOfOwnDomain(t *testing.T) {
	o, err := NewOutgoing(OutgoingOptions{Domains: []string{"chat.example"}, PassthroughRecipients: []string{"@chat.example"}})
	if err != nil {
		t.Fatal(err)
	}
	for to, want := range map[string]Reason{
		"bob@chat.example": 0, "bob+news@Chat.Example": 0,
		"x%gmail.com@chat.example": BadAddress, "gmail.com!x@chat.example": BadAddress, "x@gmail.com@chat.example": BadAddress,
		"x@gmail.com": Unencrypted,
	} {
		h, err := ReadHeader(reader("From: <alice@chat.example>\r\nSubject: hello\r\n\r\n"))
		if err != nil {
			t.Fatal(err)
		}
		var no *Refusal
		_, err = o.Check(Envelope{Sender: "alice@chat.example", Recipients: []string{to}}, h)
		if errors.As(err, &no); no == nil && want != 0 || no != nil && no.Reason != want {
			t.Errorf("%s: got %v, want %v", to, err, want)
		}
	}
}

func TestPrintable(t *testing.T) {
	if got, want := printable("a\u00fc\r\n\x7fb@c"), "a????b@c"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}
