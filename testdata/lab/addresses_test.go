package lab

import (
	"context"
	"net/netip"
	"strings"
	"testing"

	"chatmaild/testdata/lab/program"
)

// The network of a machine with many addresses, and the one of these that the DNS names. They
// are public ones, as far as the commands know, and nowhere but in this lab.
const named = "2001:db8:77::7"

var publicNet = netip.MustParsePrefix("2001:db8:77::/64")

// TestAddresses has a machine with as many kinds of addresses as there are: the DNS names
// its IPv6 address alone, at first; mail leaves from a temporary one (RFC 8981), as systems
// prefer; there are two public IPv4 addresses, one shared by a carrier or Tailscale
// (100.64.0.0/10), and one behind a router. Nobody finds fault with that, and a TURN server
// answers at each.
func TestAddresses(t *testing.T) {
	l, deb := newLab(t)
	open(t, l, publicNet)
	usual := startRelayIn(t, l, deb, "_usual.test")
	public := newPublicRoot(t)
	r, root := startSigned(t, l, "odd.test", "odd.test", deb, &public.Certificate)
	trust(t, usual, "odd", root)
	answerForTest(t, l)
	ctx := deadline(t, stepTimeout)
	if _, err := program.Run(ctx, "ip", "netns", "exec", r.Netns, "sysctl", "-q", "net.ipv6.conf.eth0.use_tempaddr=2"); err != nil {
		t.Fatal(err)
	}
	for _, line := range []string{
		"addr add " + named + "/64 dev eth0 nodad mngtmpaddr", // from which the kernel makes a temporary one
		"addr add 203.0.113.7/32 dev eth0",
		"addr add 203.0.113.8/32 dev eth0",
		"addr add 100.64.0.9/10 dev eth0",
		"route add default dev eth0 src 203.0.113.7",
	} {
		if _, err := program.Run(ctx, "ip", append([]string{"-n", r.Netns}, strings.Fields(line)...)...); err != nil {
			t.Fatal(err)
		}
	}
	until(ctx, t, "a temporary address", func() bool {
		said, err := program.Run(ctx, "ip", "-n", r.Netns, "-6", "addr", "show", "dev", "eth0", "temporary", "-tentative")
		return err == nil && strings.Contains(said, "inet6 2001:db8:77:")
	})

	l.Zone.Remove(r.Domain, "A")
	publish(t, l, r.Domain, "AAAA", named)
	if err := publishZone(ctx, r); err != nil {
		t.Fatal(err)
	}
	t.Run("IPv6 alone", func(t *testing.T) {
		content(t, r, "without it, IPv4-only clients and servers cannot reach the relay")
		if res, err := usual.Exec(ctx, nil, "chatmaild", "test", r.Domain); err != nil || res.Code != 0 {
			t.Errorf("test: %v, exit status %d\n%s%s", err, res.Code, res.Stdout, res.Stderr)
		}
		bob := startProfile(t, l, "bob", usual.SignUpQR())
		alice, err := public.client(t, l, "alice").SignUp(ctx, "alice", printed(t, r))
		if err != nil {
			t.Fatal(err)
		}
		join(t, alice, bob).text(t)
	})
	for _, tt := range []struct{ name, address, says string }{
		{"the second of two", "203.0.113.8", ""},
		{"a floating address", "198.51.100.9", "is on no interface of this machine: that is right if a router or the provider"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			publish(t, l, r.Domain, "A", tt.address)
			if err := publishZone(deadline(t, stepTimeout), r); err != nil {
				t.Fatal(err)
			}
			content(t, r, tt.says)
		})
	}
}

// open gives all machines that come later the way to a public network.
func open(t *testing.T, l *Lab, public netip.Prefix) {
	t.Helper()
	if err := l.Open(deadline(t, stepTimeout), public); err != nil {
		t.Fatal(err)
	}
}

// publishZone publishes what "chatmaild dns" wants, but for addresses.
func publishZone(ctx context.Context, r *Relay) error {
	zone, err := r.Run(ctx, "chatmaild", "dns", "--zonefile", "-")
	if err != nil {
		return err
	}
	for line := range strings.Lines(zone) {
		fields := strings.SplitN(strings.TrimSpace(line), " ", 5) // name, TTL, IN, type, data
		if strings.HasPrefix(line, ";") || len(fields) != 5 || fields[3] == "A" || fields[3] == "AAAA" {
			continue
		}
		if err := r.lab.Zone.Set(fields[0], fields[3], fields[4]); err != nil {
			return err
		}
	}
	return nil
}

// content holds that the commands on the relay find nothing that is wrong. What dns says
// beside has these words in it.
func content(t *testing.T, r *Relay, words string) {
	t.Helper()
	ctx := deadline(t, stepTimeout)
	said, err := r.Run(ctx, "chatmaild", "dns")
	if err != nil || !strings.Contains(said, words) {
		t.Errorf("dns: %v\n%s\nwant it to say %q", err, said, words)
	}
	if words == "" && (strings.Contains(said, "missing") || strings.Contains(said, "different") || strings.Contains(said, "elsewhere")) {
		t.Errorf("dns finds fault:\n%s", said)
	}
	for _, command := range []string{"run", "status"} {
		if said, err := r.Run(ctx, "chatmaild", command); err != nil {
			t.Errorf("%s: %v\n%s", command, err, said)
		}
	}
}
