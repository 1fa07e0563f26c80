package remote

import (
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
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
	none := func() (Network, error) { return Network{}, nil }
	relays, err := Relays([]string{"Chat.Example.org", "[192.0.2.7]"}, none)
	if err != nil || len(relays) != 2 || relays[0].Host != "chat.example.org" || relays[1].MailDomain() != "[192.0.2.7]" {
		t.Errorf("got %v, %v", relays, err)
	}
	if _, err := Relays([]string{"chat.example.org", "localhost"}, none); err == nil {
		t.Error("localhost is taken for a domain")
	}
}
