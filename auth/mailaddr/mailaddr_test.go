package mailaddr

import (
	"net/mail"
	"path/filepath"
	"strings"
	"testing"
)

func TestParse(t *testing.T) {
	const domain = "chat.example.org"
	for _, tt := range []struct{ in, domain, want string }{
		{"abc@chat.example.org", domain, "abc@chat.example.org"},
		{"a.b_c-9@chat.example.org", domain, "a.b_c-9@chat.example.org"},
		{"ABC@Chat.Example.ORG", domain, "abc@chat.example.org"},
		{"abc@[1.2.3.4]", "[1.2.3.4]", "abc@[1.2.3.4]"},
		{"-a@chat.example.org", domain, "-a@chat.example.org"},
		{"..@chat.example.org", domain, ""},
		{".a@chat.example.org", domain, ""},
		{"a.@chat.example.org", domain, ""},
		{"a..b@chat.example.org", domain, ""},
		{"abc%other.example@chat.example.org", domain, ""},
		{"other.example!abc@chat.example.org", domain, ""},
		{"\"abc\"@chat.example.org", domain, ""},
		{"abc@chat.example.org.", domain, ""},
		{strings.Repeat("a", 64) + "@chat.example.org", domain, strings.Repeat("a", 64) + "@chat.example.org"},
		{strings.Repeat("a", 65) + "@chat.example.org", domain, ""},
		{"@chat.example.org", domain, ""},
		{"abc", domain, ""},
		{"", domain, ""},
		{"abc@other.example.org", domain, ""},
		{"abc@chat.example.org@chat.example.org", domain, ""},
		{"abc@x.chat.example.org", domain, ""},
		{"../abc@chat.example.org", domain, ""},
		{"a/b@chat.example.org", domain, ""},
		{"a\x00b@chat.example.org", domain, ""},
		{"a b@chat.example.org", domain, ""},
		{"a+b@chat.example.org", domain, ""},
		{"ä@chat.example.org", domain, ""},
		{"\u212Aelvin@chat.example.org", domain, ""}, // the Kelvin sign, whose lower case is k
	} {
		got, err := Parse(tt.in, tt.domain)
		if got.String() != tt.want || (err == nil) != (tt.want != "") {
			t.Errorf("Parse(%q) = %q, %v; want %q", tt.in, got, err, tt.want)
		}
	}
}

func TestParseRecipient(t *testing.T) {
	const domain = "chat.example.org"
	for _, tt := range []struct{ in, want string }{
		{"abc@chat.example.org", "abc@chat.example.org"},
		{"abc+news@chat.example.org", "abc@chat.example.org"},
		{"ABC+News@Chat.Example.ORG", "abc@chat.example.org"},
		{"abc+a+b@chat.example.org", "abc@chat.example.org"},
		{"abc++@chat.example.org", "abc@chat.example.org"},
		{"abc+a.b_c-d@chat.example.org", "abc@chat.example.org"},
		{"a+" + strings.Repeat("b", 62) + "@chat.example.org", "a@chat.example.org"},
		{"a+" + strings.Repeat("b", 63) + "@chat.example.org", ""},
		{"abc+@chat.example.org", ""},
		{"+abc@chat.example.org", ""},
		{"+@chat.example.org", ""},
		{"abc+.a@chat.example.org", ""},
		{"abc+a.@chat.example.org", ""},
		{"abc+a..b@chat.example.org", ""},
		{"abc.+a@chat.example.org", ""},
		{"abc+a%other.example@chat.example.org", ""},
		{"abc+a@other.example@chat.example.org", ""},
		{"abc+\u212A@chat.example.org", ""},
		{"abc+news@other.example.org", ""},
		{"abc+news", ""},
		{"", ""},
	} {
		got, err := ParseRecipient(tt.in, domain)
		if got.String() != tt.want || (err == nil) != (tt.want != "") {
			t.Errorf("ParseRecipient(%q) = %q, %v; want %q", tt.in, got, err, tt.want)
		}
	}
}

// FuzzParseRecipient: what has a tag is the mailbox without it, for net/mail too, and no
// other spelling of that mailbox comes out.
func FuzzParseRecipient(f *testing.F) {
	for _, s := range []string{"abc@d.example", "abc+x@d.example", "a%b@d.example", "a+\u212A@d.example", "\"a\"+b@d.example"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		addr, err := ParseRecipient(s, "d.example")
		if err != nil {
			return
		}
		parsed, err := mail.ParseAddress("<" + s + ">")
		if err != nil || parsed.Address != s {
			t.Fatalf("net/mail reads %q as %v, %v", s, parsed, err)
		}
		local, _, _ := strings.Cut(s, "@")
		local, _, _ = strings.Cut(local, Delimiter)
		if strings.ToLower(local)+"@d.example" != addr.String() {
			t.Fatalf("%q is for %q", s, addr)
		}
		if again, err := Parse(addr.String(), "d.example"); err != nil || again != addr {
			t.Fatalf("%q is read back as %q, %v", addr, again, err)
		}
	})
}

// FuzzParse: an address is always one directory, below the one it is put in.
func FuzzParse(f *testing.F) {
	f.Add("abc@d.example")
	f.Add("../../etc@d.example")
	f.Add("\u212A@d.example")
	f.Fuzz(func(t *testing.T, s string) {
		addr, err := Parse(s, "d.example")
		if err != nil {
			return
		}
		if path := filepath.Join("/mail", addr.String()); path != "/mail/"+addr.String() || filepath.Dir(path) != "/mail" {
			t.Fatalf("%q lies in %q", addr, path)
		}
		again, err := Parse(addr.String(), "d.example")
		if err != nil || again != addr {
			t.Fatalf("%q is read back as %q, %v", addr, again, err)
		}
		if addr.Local()+"@d.example" != addr.String() {
			t.Fatalf("%q has the local part %q", addr, addr.Local())
		}
	})
}
