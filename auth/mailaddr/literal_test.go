package mailaddr

import "testing"

func TestDomain(t *testing.T) {
	for _, tt := range []struct{ host, want, url string }{
		{"chat.example.org", "chat.example.org", "chat.example.org"},
		{"_chat.test", "_chat.test", "_chat.test"},
		{"192.0.2.1", "[192.0.2.1]", "192.0.2.1"},
		{"2001:db8::5", "[ipv6:2001:db8::5]", "[2001:db8::5]"},
	} {
		if got := Domain(tt.host); got != tt.want {
			t.Errorf("Domain(%s) = %s, want %s", tt.host, got, tt.want)
		}
		if got := InURL(tt.host); got != tt.url {
			t.Errorf("InURL(%s) = %s, want %s", tt.host, got, tt.url)
		}
	}
}

func TestParseLiteral(t *testing.T) {
	for text, want := range map[string]string{
		"[192.0.2.1]":               "[192.0.2.1]",
		"[IPv6:2001:db8::5]":        "[ipv6:2001:db8::5]",
		"[ipv6:2001:DB8:0:0::0:5]":  "[ipv6:2001:db8::5]",
		"[IPV6:::1]":                "[ipv6:::1]",
		"[2001:db8::5]":             "", // without its tag
		"[IPv6:192.0.2.1]":          "",
		"[IPv6:::ffff:192.0.2.1]":   "", // of two spellings, that of IPv4
		"[IPv6:fe80::1%eth0]":       "",
		"[192.0.2]":                 "",
		"[192.0.2.01]":              "",
		"[IPv6:]":                   "",
		"[]":                        "",
		"[192.0.2.1":                "",
		"192.0.2.1]":                "",
		"chat.example.org":          "",
		"[\u0131pv6:2001:db8::5]":   "",
		"[ IPv6:2001:db8::5]":       "",
		"[x-tag:2001:db8::5]":       "",
		"[IPv6:2001:db8::5][1.2.3]": "",
	} {
		addr, ok := ParseLiteral(text)
		if ok != (want != "") || ok && Literal(addr) != want {
			t.Errorf("ParseLiteral(%q) = %v, %v; want %q", text, addr, ok, want)
		}
	}
}

// FuzzParseLiteral holds that a literal has one spelling, which is read as what it was
// written from.
func FuzzParseLiteral(f *testing.F) {
	f.Add("[192.0.2.1]")
	f.Add("[IPv6:2001:db8::5]")
	f.Fuzz(func(t *testing.T, text string) {
		addr, ok := ParseLiteral(text)
		if !ok {
			return
		}
		if again, ok := ParseLiteral(Literal(addr)); !ok || again != addr {
			t.Errorf("%q: %v, and again %v, %v", text, addr, again, ok)
		}
	})
}
