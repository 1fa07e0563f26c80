package mailfilter

import (
	"strings"
	"testing"
)

func TestParseAddress(t *testing.T) {
	long := strings.Repeat("x", maxLocalPart)
	for _, tt := range []struct {
		in, want, base string // want "" is an error, base "" likewise
	}{
		{"alice@chat.example", "alice@chat.example", "alice@chat.example"},
		{"Alice.A-b_c@Chat.Example", "alice.a-b_c@chat.example", "alice.a-b_c@chat.example"},
		{"alice+a+b@chat.example", "alice+a+b@chat.example", "alice@chat.example"},
		{"+a@chat.example", "+a@chat.example", ""},
		{"a.+b@chat.example", "a.+b@chat.example", ""},
		{"alice@_chat.example", "alice@_chat.example", "alice@_chat.example"},
		{"alice@[192.0.2.1]", "alice@[192.0.2.1]", "alice@[192.0.2.1]"},
		{"alice@[IPv6:2001:DB8::1]", "alice@[ipv6:2001:db8::1]", "alice@[ipv6:2001:db8::1]"},
		{"\u00fc@b\u00fc.example", "\u00fc@b\u00fc.example", "\u00fc@b\u00fc.example"},
		{long + "@x", long + "@x", long + "@x"},
		{"", "", ""},
		{"alice", "", ""},
		{"@chat.example", "", ""},
		{"alice@", "", ""},
		{"alice@.example", "", ""},
		{"alice@chat.example.", "", ""},
		{"alice@[]", "", ""},
		{"alice@[192.0.2.1/..]", "", ""},
		{"alice@[192.0.2.1", "", ""},
		{"a/b@chat.example", "", ""},
		{"a\\b@chat.example", "", ""},
		{"..@chat.example", "", ""},
		{"a b@chat.example", "", ""},
		{"a\tb@chat.example", "", ""},
		{"a\r\nb@chat.example", "", ""},
		{"a\x7fb@chat.example", "", ""},
		{"<alice@chat.example>", "", ""},
		{"\"alice\"@chat.example", "", ""},
		{"alice@b@chat.example", "", ""},
		{"alice@chat.example\x00", "", ""},
		{"alice\xff@chat.example", "", ""},
		{long + "x@x", "", ""},
		{"alice@" + strings.Repeat("x", maxDomain+1), "", ""},
	} {
		a, err := parseAddress(tt.in)
		if tt.want == "" {
			if err == nil {
				t.Errorf("parseAddress(%q) = %v, want an error", tt.in, a)
			}
			continue
		}
		if err != nil || a.String() != tt.want {
			t.Errorf("parseAddress(%q) = %q, %v, want %q", tt.in, a, err, tt.want)
		}
		base, err := a.base()
		if got := base.String(); (err == nil) != (tt.base != "") || err == nil && got != tt.base {
			t.Errorf("base of %q = %q, %v, want %q", tt.in, got, err, tt.base)
		}
	}
}

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

func TestPrintable(t *testing.T) {
	if got, want := printable("a\u00fc\r\n\x7fb@c"), "a????b@c"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}
