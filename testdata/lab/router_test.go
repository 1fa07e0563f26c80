package lab

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"

	"chatmaild/applets/config"
	"chatmaild/testdata/kit/nameserver"
	"chatmaild/testdata/lab/machine"
	"chatmaild/testdata/lab/network"
	"chatmaild/testdata/lab/program"
)

// The networks on both sides of a router. The outer one is public, as far as the commands
// know; the inner one is a home's, or what carriers and Tailscale have (RFC 6598).
var (
	outerNet  = netip.MustParsePrefix("203.0.113.0/24")
	outerAddr = netip.MustParseAddr("203.0.113.7")
	homeNet   = netip.MustParsePrefix("192.168.77.0/24")
	sharedNet = netip.MustParsePrefix("100.64.0.0/10")
	hosterNet = netip.MustParsePrefix("198.51.100.0/24") // public as well
)

// A router has NAT between one address out there and a private network. Nothing leads from
// that network to what is forwarded at the outer address, as in many homes.
type router struct {
	network.Station
	outer netip.Addr
}

// addRouter adds a router that lets nothing in, at an address that the lab's network has
// beside its own, or, without one, at its own.
func addRouter(t *testing.T, l *Lab, outer netip.Addr) router {
	t.Helper()
	r := router{addStation(t, l, "router"), outer}
	if !outer.IsValid() {
		r.outer = r.IPv4
	} else {
		r.ip(t, fmt.Sprintf("-n %s addr add %v/32 dev eth0", r.Netns, outer))
	}
	if _, err := r.InNetns(t.Context(), "sysctl", "-q", "net.ipv4.ip_forward=1"); err != nil {
		t.Fatal(err)
	}
	loadRules(t, r.Station, fmt.Sprintf("table ip router {\nchain out {\ntype nat hook postrouting priority srcnat; policy accept;\noifname eth0 snat to %v\n}\n}\n", r.outer))
	return r
}

func (r router) ip(t *testing.T, line string) {
	t.Helper()
	if _, err := program.Run(deadline(t, stepTimeout), "ip", strings.Fields(line)...); err != nil {
		t.Fatal(err)
	}
}

// take moves a machine from where it is to a network behind the router, and returns its
// address there.
func (r router) take(t *testing.T, h *machine.Host, inner netip.Prefix) netip.Addr {
	t.Helper()
	gateway := inner.Addr().Next()
	address := gateway.Next()
	for _, line := range []string{
		"-n " + h.Netns + " link del eth0",
		"-n " + r.Netns + " link add lan0 type veth peer name eth0 netns " + h.Netns,
		fmt.Sprintf("-n %s addr add %v/%d dev lan0", r.Netns, gateway, inner.Bits()),
		"-n " + r.Netns + " link set lan0 up",
		fmt.Sprintf("-n %s addr add %v/%d dev eth0", h.Netns, address, inner.Bits()),
		"-n " + h.Netns + " link set eth0 up",
		fmt.Sprintf("-n %s route add default via %v", h.Netns, gateway),
	} {
		r.ip(t, line)
	}
	return address
}

// forward has the router pass the ports of a relay on, as "BEHIND A ROUTER" in
// chatmaild-operating(7) lists them.
func (r router) forward(t *testing.T, to netip.Addr) {
	t.Helper()
	loadRules(t, r.Station, fmt.Sprintf(`table ip forwarded
flush table ip forwarded
table ip forwarded {
	chain in {
		type nat hook prerouting priority dstnat; policy accept
		iifname eth0 ip daddr %[1]v tcp dport { 25, 80, 143, 443, 465, 587, 993, %[2]d } dnat to %[3]v
		iifname eth0 ip daddr %[1]v udp dport { %[2]d, %[4]s } dnat to %[3]v
	}
}
`, r.outer, config.TurnPort, to, config.Defaults().TurnPorts))
}

// TestRouter has a relay with a name at home: its address is private, and a router forwards
// its ports. init finds that out; an authority reaches the relay through the router; the real
// client signs up by the link that qr prints, verifies the certificate, and talks with one of
// a usual relay, in a home's network, in a carrier's, and at a hoster's, where the machine has
// a public address of its own and the DNS has a floating one. No command finds fault with that.
func TestRouter(t *testing.T) {
	l, deb := newLab(t)
	open(t, l, outerNet)
	answerForTest(t, l)
	authority := startAuthority(t, l)
	usual := startRelayIn(t, l, deb, "_usual.test")
	ctx := deadline(t, installTimeout)
	host := startHost(t, l, "home")
	router := addRouter(t, l, outerAddr)
	router.forward(t, router.take(t, host, homeNet))
	// Nothing out there knows another address of it.
	host.IPv4, host.IPv6 = router.outer, netip.Addr{}
	r := &Relay{Host: host, Domain: "home.test", lab: l}
	diagnose(t, r)
	for _, step := range []func() error{
		func() error { return r.publishAddresses(ctx) },
		func() error { return r.InstallDeb(ctx, deb) },
		func() error { return r.TrustRoot(ctx, "lab", authority.Root) },
		func() error {
			return r.configure(ctx, []string{fmt.Sprintf("acme_directory = %q", authority.Directory())})
		},
		func() error { return r.setUp(ctx) },
		func() error { return publishZone(ctx, r) },
	} {
		if err := step(); err != nil {
			t.Fatal(err)
		}
	}
	p := &proof{lab: l, relay: r, usual: usual}
	p.outside = addStation(t, l, "outside")
	awaitIssued(ctx, t, p.outside, authority, r.Domain, r.Domain, "www."+r.Domain, "mta-sts."+r.Domain)
	issuer, err := authority.IssuerPEM(ctx)
	if err != nil {
		t.Fatal(err)
	}
	trust(t, usual, "issuer", string(issuer))
	public := newPublicRoot(t)
	bob := startProfile(t, l, "bob", usual.SignUpQR())

	// The authority is not known to clients until this root has vouched for it.
	alice := public.profile(t, r, authority, r.Domain, "alice", printed(t, r))
	join(t, alice, bob).converse(t)
	if who := p.script(t, "doveadm who -1"); !strings.Contains(who, alice.Client.IPv4.String()) {
		t.Errorf("Dovecot does not know the address of a client:\n%s", who)
	}
	for _, tt := range []struct {
		name, label string
		inner       netip.Prefix
		says        string // by dns
	}{
		{"a home's network", "home", homeNet, ""},
		{"a carrier's network", "shared", sharedNet, ""},
		{"a floating address", "floating", hosterNet, "is on no interface of this machine: that is right if a router or the provider"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			router.forward(t, router.take(t, host, tt.inner))
			p.found(t, tt.inner != hosterNet)
			if err := publishZone(deadline(t, stepTimeout), r); err != nil { // SPF
				t.Fatal(err)
			}
			carol, err := public.client(t, l, tt.label+"-carol").SignUp(deadline(t, stepTimeout), "carol", printed(t, r))
			if err != nil {
				t.Fatal(err)
			}
			// After the address has changed, this may take a minute: the transport's kept connection to
			// the usual relay came from the former one, and is given up only then.
			join(t, carol, bob).text(t)
			p.calls(t, router.outer)
			content(t, r, tt.says)
			p.tested(t)
		})
	}
}

// found holds what init finds out here, which may be a router: by a DNS that works, and
// without one, in time.
func (p *proof) found(t *testing.T, behind bool) {
	t.Helper()
	external := fmt.Sprintf("\nturn_external_address = [%q]\n", outerAddr)
	if !behind {
		external = "\n#turn_external_address = []\n"
	}
	const noIPv6 = "\ndisable_ipv6 = true\n"
	for _, tt := range []struct {
		name, by     string
		fault        nameserver.Fault
		wants, lacks string
	}{
		{"the router", "", nameserver.Healthy, external, noIPv6},
		{"the router, without IPv6", "systemd-run --quiet --wait --pipe --property=RestrictAddressFamilies=~AF_INET6 ", nameserver.Healthy, external + noIPv6, ""},
		{"a DNS that fails", "", nameserver.ServFail, "\n#turn_external_address = []\n", noIPv6},
		{"a silent DNS", "", nameserver.Silent, "\n#turn_external_address = []\n", noIPv6},
	} {
		p.lab.Zone.SetFault(tt.fault)
		before := time.Now()
		text := p.script(t, `%schatmaild init --config /tmp/init.toml %s && cat /tmp/init.toml && rm /tmp/init.toml`, tt.by, p.relay.Domain)
		took := time.Since(before)
		p.lab.Zone.SetFault(nameserver.Healthy)
		for want := range strings.FieldsFuncSeq(tt.wants, func(c rune) bool { return c == '\n' }) {
			contains(t, "what init wrote by "+tt.name, text, "\n"+want+"\n")
		}
		if tt.lacks != "" && strings.Contains(text, tt.lacks) {
			t.Errorf("by %s, init wrote %q", tt.name, tt.lacks)
		}
		if took > 10*time.Second {
			t.Errorf("by %s, init took %v", tt.name, took)
		}
	}
}
