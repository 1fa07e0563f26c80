package auth

import (
	"path/filepath"
	"strings"
	"testing"
)

func TestParseAddress(t *testing.T) {
	const domain = "chat.example.org"
	for _, tt := range []struct{ in, domain, want string }{
		{"abc@chat.example.org", domain, "abc@chat.example.org"},
		{"a.b_c-9@chat.example.org", domain, "a.b_c-9@chat.example.org"},
		{"ABC@Chat.Example.ORG", domain, "abc@chat.example.org"},
		{"abc@[1.2.3.4]", "[1.2.3.4]", "abc@[1.2.3.4]"},
		{"..@chat.example.org", domain, "..@chat.example.org"},
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
		got, err := ParseAddress(tt.in, tt.domain)
		if got.String() != tt.want || (err == nil) != (tt.want != "") {
			t.Errorf("ParseAddress(%q) = %q, %v; want %q", tt.in, got, err, tt.want)
		}
	}
}

// FuzzParseAddress: an address is always one folder, below the one it is put in.
func FuzzParseAddress(f *testing.F) {
	f.Add("abc@d.example")
	f.Add("../../etc@d.example")
	f.Add("\u212A@d.example")
	f.Fuzz(func(t *testing.T, s string) {
		addr, err := ParseAddress(s, "d.example")
		if err != nil {
			return
		}
		if path := filepath.Join("/mail", addr.String()); path != "/mail/"+addr.String() || filepath.Dir(path) != "/mail" {
			t.Fatalf("%q lies in %q", addr, path)
		}
		again, err := ParseAddress(addr.String(), "d.example")
		if err != nil || again != addr {
			t.Fatalf("%q is read back as %q, %v", addr, again, err)
		}
		if addr.Local()+"@d.example" != addr.String() {
			t.Fatalf("%q has the local part %q", addr, addr.Local())
		}
	})
}
