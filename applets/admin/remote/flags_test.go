package remote

import (
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"chatmaild/testdata/kit/nameserver"
)

func TestFlags(t *testing.T) {
	junk := filepath.Join(t.TempDir(), "junk.pem")
	if err := os.WriteFile(junk, []byte("junk"), 0o644); err != nil {
		t.Fatal(err)
	}
	for args, want := range map[string]struct{ port, fault string }{
		"":                             {},
		"--insecure":                   {},
		"--resolver 192.0.2.1":         {port: "53"},
		"--resolver 192.0.2.1:5353":    {port: "5353"},
		"--resolver 2001:db8::1":       {port: "53"},
		"--resolver [2001:db8::1]:535": {port: "535"},
		"--resolver dns.test":          {fault: `--resolver "dns.test" is not an IP address`},
		"--ca /nowhere.pem":            {fault: "reading the authorities: open /nowhere.pem: no such file or directory"},
		"--ca " + junk:                 {fault: "reading the authorities: there is no certificate in " + junk},
	} {
		fs := flag.NewFlagSet("", flag.ContinueOnError)
		network := Flags(fs)
		if err := fs.Parse(strings.Fields(args)); err != nil {
			t.Fatal(err)
		}
		n, err := network()
		if (err != nil || want.fault != "") && (err == nil || err.Error() != want.fault) {
			t.Errorf("%s: got the error %v, want %s", args, err, want.fault)
			continue
		}
		if n.NameServerPort != want.port || (n.Resolver != nil) != (want.port != "") || n.Insecure != (args == "--insecure") {
			t.Errorf("%s: got %+v", args, n)
		}
	}
}

func TestRelays(t *testing.T) {
	zone := nameserver.NewZone()
	for _, r := range [][3]string{
		{"chat.example.org", "MX", "10 chat.example.org."},
		{"_imaps._tcp.chat.example.org", "SRV", "0 1 993 chat.example.org."},
		{"guest.example", "MX", "10 Chat.guest.example."},
		{"_imaps._tcp.guest.example", "SRV", "0 1 993 chat.guest.example."},
		{"moved.example", "MX", "10 mx.provider.example."},
		{"_imaps._tcp.moved.example", "SRV", "0 1 993 moved.example."},
	} {
		if err := zone.Set(r[0], r[1], r[2]); err != nil {
			t.Fatal(err)
		}
	}
	network := func() (Network, error) { return Network{Resolver: resolverAt(nameserver.Start(t, zone))}, nil }
	for typed, want := range map[string]Relay{
		"Chat.Example.org": {Domain: "chat.example.org", Host: "chat.example.org"},
		"[192.0.2.7]":      {Domain: "192.0.2.7", Host: "192.0.2.7"},
		"_chat.example":    {Domain: "_chat.example", Host: "_chat.example"},
		"nowhere.example":  {Domain: "nowhere.example", Host: "nowhere.example"},
		"guest.example":    {Domain: "guest.example", Host: "chat.guest.example"},
		"moved.example":    {Domain: "moved.example", Host: "moved.example"},
	} {
		relays, err := Relays(t.Context(), []string{typed}, network)
		if err != nil || len(relays) != 1 || relays[0].Domain != want.Domain || relays[0].Host != want.Host {
			t.Errorf("%s: got %+v, %v", typed, relays, err)
		}
	}
	if _, err := Relays(t.Context(), []string{"chat.example.org", "localhost"}, network); err == nil {
		t.Error("localhost is taken for a domain")
	}
}
