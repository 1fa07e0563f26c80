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
// (100.64.0.0/10), and one behind a router. Nobody finds fault with that, and the real client
// signs up, by IPv6 and by the second IPv4 address, and talks with one of a usual relay.
func TestAddresses(t *testing.T) {
	l, deb := newLab(t)
	open(t, l, publicNet)
	open(t, l, outerNet)
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
	p := &proof{lab: l, relay: r, usual: usual}
	bob := startProfile(t, l, "bob", usual.SignUpQR())
	t.Run("IPv6 alone", func(t *testing.T) {
		content(t, r, "without it, IPv4-only clients and servers cannot reach the relay")
		p.tested(t)
		alice, err := public.client(t, l, "alice").SignUp(ctx, "alice", printed(t, r))
		if err != nil {
			t.Fatal(err)
		}
		join(t, alice, bob).text(t)
	})
	t.Run("the second of two", func(t *testing.T) {
		publish(t, l, r.Domain, "A", "203.0.113.8")
		if err := publishZone(deadline(t, stepTimeout), r); err != nil {
			t.Fatal(err)
		}
		p.content(t)
		client := public.client(t, l, "carol")
		block(t, client.Station, "meta nfproto ipv6 meta l4proto tcp")
		carol, err := client.SignUp(deadline(t, stepTimeout), "carol", printed(t, r))
		if err != nil {
			t.Fatal(err)
		}
		join(t, carol, bob).text(t)
		if who := sh(t, r, "doveadm who -1"); !strings.Contains(who, client.IPv4.String()) {
			t.Errorf("the client has not come by IPv4:\n%s", who)
		}
	})
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
