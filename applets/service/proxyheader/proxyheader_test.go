package proxyheader

import (
	"errors"
	"net/netip"
	"strings"
	"testing"
)

func version2(command, family byte, body string) string {
	return signature + string([]byte{command, family, byte(len(body) >> 8), byte(len(body))}) + body
}

const (
	addresses4 = "\xc0\x00\x02\x01\x7f\x00\x00\x01\x00\x50\x01\xbb"
	addresses6 = "\x20\x01\x0d\xb8\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x01" + "\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x01\x00\x50\x01\xbb"
	mapped     = "\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\xff\xff\xc0\x00\x02\x01" + "\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x01\x00\x50\x01\xbb"
)

func TestParse(t *testing.T) {
	for _, test := range []struct {
		header, want string // want: the client, "" if it is not known
		err          error
	}{
		{"PROXY TCP4 192.0.2.1 127.0.0.1 56324 443\r\n", "192.0.2.1", nil},
		{"PROXY TCP6 2001:db8::1 ::1 56324 443\r\n", "2001:db8::1", nil},
		{"PROXY TCP6 ::ffff:192.0.2.1 ::1 56324 443\r\n", "192.0.2.1", nil},
		{"PROXY UNKNOWN\r\n", "", nil},
		{"PROXY UNKNOWN ffff::1 ffff::2 1 2\r\n", "", nil},
		{version2(proxied, tcp4, addresses4), "192.0.2.1", nil},
		{version2(proxied, tcp6, addresses6), "2001:db8::1", nil},
		{version2(proxied, tcp6, mapped), "192.0.2.1", nil},
		{version2(proxied, tcp4, addresses4+"\x20\x00\x05\x01\x00\x00\x00\x01"), "192.0.2.1", nil},
		{version2(local, 0, ""), "", nil},
		{version2(proxied, 0x31, strings.Repeat("\x00", 216)), "", nil}, // unix sockets

		{"EHLO x\r\n", "", ErrBroken},
		{"\x16\x03\x01\x02\x00\x01\x00", "", ErrBroken},
		{"proxy TCP4 192.0.2.1 127.0.0.1 56324 443\r\n", "", ErrBroken},
		{"PROXY TCP4 192.0.2.1 127.0.0.1 56324\r\n", "", ErrBroken},
		{"PROXY TCP4 192.0.2.1 127.0.0.1 56324 65536\r\n", "", ErrBroken},
		{"PROXY TCP4 192.0.2.1 127.0.0.1 56324 443 \r\n", "", ErrBroken},
		{"PROXY TCP4  192.0.2.1 127.0.0.1 56324 443\r\n", "", ErrBroken},
		{"PROXY TCP4 2001:db8::1 ::1 56324 443\r\n", "", ErrBroken},
		{"PROXY TCP6 fe80::1%eth0 ::1 56324 443\r\n", "", ErrBroken},
		{"PROXY UDP4 192.0.2.1 127.0.0.1 56324 443\r\n", "", ErrBroken},
		{"PROXY TCP4 192.0.2.1" + strings.Repeat(" ", maxText) + "\r\n", "", ErrBroken},
		{version2(0x11, tcp4, addresses4), "", ErrBroken},
		{version2(proxied, tcp4, addresses4[:11]), "", ErrBroken},
		{version2(proxied, tcp6, addresses4), "", ErrBroken},
		{version2(proxied, tcp4, addresses4+strings.Repeat("x", Max)), "", ErrBroken},
	} {
		client, size, err := Parse([]byte(test.header + "EHLO x\r\n"))
		got := client.String()
		if !client.IsValid() {
			got = ""
		}
		if got != test.want || !errors.Is(err, test.err) || err == nil && size != len(test.header) {
			t.Errorf("%q: got %q, %d, %v; want %q, %d, %v", test.header, got, size, err, test.want, len(test.header), test.err)
		}
		for n := range len(test.header) {
			if _, _, err := Parse([]byte(test.header[:n])); test.err == nil && !errors.Is(err, ErrShort) {
				t.Errorf("%q: got %v, want %v", test.header[:n], err, ErrShort)
			}
		}
	}
}

// FuzzParse: a header is within what there is, and more bytes behind it change nothing; whose
// bytes are as many as a header can have is not asked for more.
func FuzzParse(f *testing.F) {
	f.Add([]byte("PROXY TCP4 192.0.2.1 127.0.0.1 56324 443\r\n"))
	f.Add([]byte(version2(proxied, tcp6, addresses6)))
	f.Fuzz(func(t *testing.T, b []byte) {
		client, size, err := Parse(b)
		if errors.Is(err, ErrShort) && len(b) >= Max {
			t.Fatalf("%d bytes are too few", len(b))
		}
		if err != nil {
			if client != (netip.Addr{}) {
				t.Fatalf("got %v, %v", client, err)
			}
			return
		}
		if size > len(b) || size > Max || client.Zone() != "" {
			t.Fatalf("got %v, %d of %d", client, size, len(b))
		}
		if again, n, err := Parse(append(b[:size:size], "x"...)); again != client || n != size || err != nil {
			t.Fatalf("got %v, %d, %v; before it was %v, %d", again, n, err, client, size)
		}
	})
}
