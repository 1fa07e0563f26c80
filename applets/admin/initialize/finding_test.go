package initialize

import (
	"bytes"
	"context"
	"errors"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"chatmaild/applets/command"
	"chatmaild/applets/config"
	"chatmaild/applets/lookup/authoritative"
	"chatmaild/testdata/kit/nameserver"
)

// records answers as the DNS would; a name without any has none.
type records map[string]string // "name. TYPE" → values, separated by commas

func (r records) values(_ context.Context, name, kind string) ([]string, error) {
	switch value := r[name+" "+kind]; value {
	case "":
		return nil, nil
	case "SERVFAIL":
		return nil, errors.New("the name server answers SERVFAIL")
	default:
		return strings.Split(value, ","), nil
	}
}

// TestFindings has the set-ups that there are, and what is set for each: nothing where the
// DNS could be read in two ways.
func TestFindings(t *testing.T) {
	const web, public, router, private = "198.51.100.1", "203.0.113.7", "203.0.113.99", "192.168.1.7"
	guest := records{"d.test. A": web, "d.test. MX": "10 chat.d.test.", "chat.d.test. A": public}
	for _, tt := range []struct {
		name   string
		domain string // "": d.test
		addrs  string
		noIPv6 bool
		dns    records
		want   string // keys and values, a line each
	}{
		{name: "a usual relay", addrs: public, dns: records{"d.test. A": public, "d.test. MX": "10 d.test."}},
		{name: "nothing in the DNS yet", addrs: public, dns: records{}},
		{name: "the web site is elsewhere", addrs: public, dns: guest, want: `hostname = "chat.d.test"`},
		{
			name: "the domain has no address", addrs: public,
			dns: records{"d.test. MX": "10 Chat.D.test.", "chat.d.test. A": public}, want: `hostname = "chat.d.test"`,
		},
		{
			name: "a host of another domain, which is ours", addrs: public + " 2001:db8::7",
			dns: records{"d.test. A": web, "d.test. MX": "0 relay.e.test.", "relay.e.test. AAAA": "2001:db8::7"}, want: `hostname = "relay.e.test"`,
		},
		{
			name: "a provider's mail server", addrs: public,
			dns: records{"d.test. A": web, "d.test. MX": "10 mx.e.test.", "mx.e.test. A": router},
		},
		{
			name: "a provider's mail server, and a router here", addrs: private,
			dns: records{"d.test. A": web, "d.test. MX": "10 mx.e.test.", "mx.e.test. A": router},
		},
		{name: "a provider's web site, and a router here", addrs: private, dns: records{"d.test. A": web}},
		{name: "a mail server on this machine alone", addrs: public, dns: records{"d.test. A": web, "d.test. MX": "0 m.d.test.", "m.d.test. A": "127.0.0.1"}},
		{name: "two MX records", addrs: public, dns: records{"d.test. A": web, "d.test. MX": "10 chat.d.test.,20 b.d.test.", "chat.d.test. A": public}},
		{name: "the domain is this machine", addrs: public, dns: records{"d.test. A": public, "d.test. MX": "10 mx.d.test.", "mx.d.test. A": public}},
		{name: "an MX record of no host", addrs: public, dns: records{"d.test. A": web, "d.test. MX": "0 ."}},
		{name: "an MX record without a certificate", addrs: public, dns: records{"d.test. A": web, "d.test. MX": "0 _m.d.test.", "_m.d.test. A": public}},
		{name: "a self-signed relay has no host", domain: "_d.test", addrs: public, dns: records{"_d.test. MX": "10 m.d.test.", "m.d.test. A": public}},

		{name: "a router", addrs: private, dns: records{"d.test. A": router, "d.test. MX": "10 d.test."}, want: `turn_external_address = ["203.0.113.99"]`},
		{name: "a router and Tailscale", addrs: private + " 100.64.0.9", dns: records{"d.test. A": router, "d.test. MX": "10 d.test."}, want: `turn_external_address = ["203.0.113.99"]`},
		{name: "a carrier's address", addrs: "100.64.0.9", dns: records{"d.test. A": router, "d.test. MX": "10 d.test."}, want: `turn_external_address = ["203.0.113.99"]`},
		{name: "a router, and public IPv6", addrs: private + " 2001:db8::7", dns: records{"d.test. A": router, "d.test. AAAA": "2001:db8::7", "d.test. MX": "10 d.test."}, want: `turn_external_address = ["203.0.113.99"]`},
		{
			name: "IPv6 behind a router, too", addrs: private + " fd00::7", dns: records{"d.test. A": router, "d.test. AAAA": "2001:db8::7", "d.test. MX": "10 d.test."},
			want: `turn_external_address = ["203.0.113.99", "2001:db8::7"]`,
		},
		{name: "a self-signed relay behind a router", domain: "_d.test", addrs: private, dns: records{"_d.test. A": router}, want: `turn_external_address = ["203.0.113.99"]`},
		{name: "an address behind a router", domain: router, addrs: private, want: `turn_external_address = ["203.0.113.99"]`},
		{name: "an IPv6 address behind a router", domain: "2001:db8::7", addrs: "fd00::7"}, // no TURN server there
		{name: "two addresses of a router", addrs: private, dns: records{"d.test. A": router + "," + public, "d.test. MX": "10 d.test."}},
		{name: "a network without a way out", addrs: private, dns: records{"d.test. A": private, "d.test. MX": "10 d.test."}},
		{name: "a floating address", addrs: public, dns: records{"d.test. A": router, "d.test. MX": "10 d.test."}},
		{name: "only this machine's own network", addrs: "127.0.0.1 fe80::1", dns: records{"d.test. A": router, "d.test. MX": "10 d.test."}},
		{
			name: "a guest behind a router", addrs: private, dns: guest,
			want: "hostname = \"chat.d.test\"\nturn_external_address = [\"203.0.113.7\"]",
		},
		{
			name: "a guest behind its web site's router", addrs: private,
			dns: records{"d.test. A": router, "d.test. MX": "10 chat.d.test.", "chat.d.test. A": router},
		},

		{name: "a kernel without IPv6", addrs: public, noIPv6: true, dns: records{"d.test. A": public}, want: `disable_ipv6 = true`},
		{name: "a DNS that fails", addrs: public, noIPv6: true, dns: records{"d.test. A": "SERVFAIL"}, want: `disable_ipv6 = true`},
		{name: "an MX record that fails", addrs: public, dns: records{"d.test. A": web, "d.test. MX": "SERVFAIL"}},
		{name: "a host that fails", addrs: public, dns: records{"d.test. A": web, "d.test. MX": "10 chat.d.test.", "chat.d.test. A": "SERVFAIL"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if tt.domain == "" {
				tt.domain = "d.test"
			}
			p := place{noIPv6: tt.noIPv6, values: tt.dns.values}
			for text := range strings.FieldsSeq("127.0.0.1 " + tt.addrs) {
				p.addresses = append(p.addresses, netip.MustParseAddr(text))
			}
			conf := config.Defaults()
			conf.MailDomain = tt.domain
			var got []string
			for _, f := range p.findings(t.Context(), conf) {
				got = append(got, f.key+" = "+f.value)
				if f.why == "" {
					t.Errorf("%s has no reason", f.key)
				}
			}
			if text := strings.Join(got, "\n"); text != tt.want {
				t.Errorf("got\n%s\nwant\n%s", text, tt.want)
			}
		})
	}
}

// TestSilentDNS holds that init does not wait for a DNS that does not answer.
func TestSilentDNS(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := place{values: func(ctx context.Context, _, _ string) ([]string, error) {
			<-ctx.Done()
			return nil, ctx.Err()
		}}
		conf, before := config.Defaults(), time.Now()
		conf.MailDomain = "d.test"
		if found := p.findings(t.Context(), conf); found != nil || time.Since(before) != lookUpTimeout {
			t.Errorf("got %+v after %v, want nothing after %v", found, time.Since(before), lookUpTimeout)
		}
	})
}

// TestInit has a name server show what is set in the file, and said.
func TestInit(t *testing.T) {
	zone := nameserver.NewZone()
	if err := zone.AddFile("test. NS ns.test.\nns.test. A 127.0.0.1\nd.test. A 198.51.100.1\nd.test. MX 10 chat.d.test.\nchat.d.test. CNAME here.test.\nhere.test. A 203.0.113.7\n"); err != nil {
		t.Fatal(err)
	}
	server := nameserver.Start(t, zone)
	_, port, err := net.SplitHostPort(server)
	if err != nil {
		t.Fatal(err)
	}
	system := &net.Resolver{PreferGo: true, Dial: func(ctx context.Context, network, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, network, server)
	}}
	var out, said bytes.Buffer
	env := &command.Env{Stdout: &out, Stderr: &said, ConfigPath: filepath.Join(t.TempDir(), "chatmail.toml")}
	p := place{addresses: []netip.Addr{netip.MustParseAddr("203.0.113.7")}, values: (&authoritative.Resolver{System: system, Port: port}).Values}
	if err := initConfig(t.Context(), env, "D.test", p); err != nil {
		t.Fatal(err)
	}
	if want := `set hostname = "chat.d.test": the MX record of d.test names that host, which is this machine (203.0.113.7)`; !strings.Contains(said.String(), want) {
		t.Errorf("got %s, want %s in it", &said, want)
	}
	text, err := os.ReadFile(env.ConfigPath)
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(text), "\nhostname = \"chat.d.test\"\n") || strings.Contains(string(text), "#hostname") {
		t.Errorf("the file has no hostname, or two:\n%s", text)
	}
	if want := "DCACCOUNT:https://chat.d.test/new"; !strings.Contains(out.String(), want) {
		t.Errorf("got %s, want %s in it", &out, want)
	}
}

// TestSet holds that the file shows each key that may be found out, once.
func TestSet(t *testing.T) {
	text := set("#disable_ipv6 = false\n#hostname = \"\"\n# hostname = \"x\"\n#hostnames = \"\"\n", []finding{{key: "hostname", value: `"a"`}})
	if want := "#disable_ipv6 = false\nhostname = \"a\"\n# hostname = \"x\"\n#hostnames = \"\"\n"; text != want {
		t.Errorf("got\n%s\nwant\n%s", text, want)
	}
}
