package lab

import (
	"context"
	"fmt"
	"net/netip"
	"strings"
	"testing"

	"chatmaild/testdata/lab/debian"
	"chatmaild/testdata/lab/machine"
)

// TestTunnel has a relay in a home, behind a router that lets nothing in, be reached through
// a machine with public addresses by a tunnel of WireGuard's, as "chatmaild proxy-config
// --wireguard" sets it up. The kernel here has no WireGuard: wireguard-go, which wg-quick
// takes then, speaks the same.
func TestTunnel(t *testing.T) {
	l, deb := newLab(t)
	two := startRelayIn(t, l, deb, "_two.test")
	ctx := deadline(t, installTimeout)
	vps, err := startTunnelHost(ctx, t, l, "vps")
	if err != nil {
		t.Fatal(err)
	}
	host, err := startTunnelHost(ctx, t, l, "home")
	if err != nil {
		t.Fatal(err)
	}
	addRouter(t, l, netip.Addr{}).take(t, host, homeNet)
	// Nothing out there knows another address of it.
	host.IPv4, host.IPv6 = vps.IPv4, vps.IPv6
	home := &Relay{Host: host, Domain: "_home.test", lab: l}
	diagnose(t, home)
	addresses := fmt.Sprintf(`["%v", "%v"]`, vps.IPv4, vps.IPv6)
	for _, step := range []func() error{
		func() error { return home.publishAddresses(ctx) },
		func() error { return home.InstallDeb(ctx, deb) },
		func() error {
			return home.configure(ctx, []string{"proxy_addresses = " + addresses, "turn_external_address = " + addresses})
		},
		func() error { return tunnel(ctx, home, vps) },
		func() error { return home.setUp(ctx) },
		func() error { return home.publishKey(ctx) },
	} {
		if err := step(); err != nil {
			t.Fatal(err)
		}
	}

	p := &proof{lab: l, relay: home, usual: two}
	p.outside = addStation(t, l, "outside")
	since := strings.TrimSpace(p.script(t, "date +%%s"))
	bob := startProfile(t, l, "bob", two.SignUpQR())
	alice := startProfile(t, l, "alice", printed(t, home))
	both := join(t, alice, bob)
	both.text(t)
	both.file(t)

	// The relay knows its clients' addresses, and others see those of the machine in front.
	who := p.script(t, "doveadm who -1")
	if c := alice.Client; !strings.Contains(who, c.IPv4.String()) && !strings.Contains(who, c.IPv6.String()) {
		t.Errorf("Dovecot does not know the address of a client:\n%s", who)
	}
	if routes := p.script(t, "chatmaild queue routes"); !strings.Contains(routes, two.Domain+": HTTPS since ") {
		t.Errorf("nothing went by HTTPS: %s", routes)
	}
	p.sender = p.newAccount(t)
	ctx = deadline(t, stepTimeout)
	p.literalAuthors(t, p.fetch(ctx, t))
	p.calls(t, vps.IPv4, vps.IPv6)
	p.content(t)

	// By SMTP as well, where the usual relay's log says from where.
	block(t, home.Station, "tcp dport 443")
	both.text(t)
	until(ctx, t, "the usual relay to tell of the one in front", func() bool {
		for _, ip := range []netip.Addr{vps.IPv4, vps.IPv6} {
			pseudonym := sh(t, two, "chatmaild log "+ip.String())
			log := sh(t, two, "journalctl --no-pager --output=cat --since=@"+since+" --unit=chatmaild-maillog.service")
			if strings.Contains(log, "connect from unknown["+strings.TrimSpace(pseudonym)+"]") {
				return true
			}
		}
		return false
	})
	for command, want := range map[string]string{
		"chatmaild status":                       "the interface chatmail is up",
		"chatmaild run --dry-run":                "nothing to do",
		"chatmaild dns":                          "needs no DNS records",
		"wg show chatmail":                       "latest handshake",
		"systemctl is-enabled wg-quick@chatmail": "enabled",
	} {
		if said := p.script(t, "%s", command); !strings.Contains(said, want) {
			t.Errorf("%s does not say %q:\n%s", command, want, said)
		}
	}
	p.script(t, "systemctl stop wg-quick@chatmail")
	res, err := home.Exec(ctx, nil, "chatmaild", "status")
	if err != nil || res.Code == 0 || !strings.Contains(res.Stdout, "systemctl restart wg-quick@chatmail") {
		t.Errorf("status without the tunnel: %v, exit status %d\n%s", err, res.Code, res.Stdout)
	}
}

// startTunnelHost starts a host that can have a tunnel.
func startTunnelHost(ctx context.Context, t *testing.T, l *Lab, name string) (*machine.Host, error) {
	t.Helper()
	h, err := l.StartHost(ctx, name)
	if err != nil {
		return nil, err
	}
	installPackages(ctx, t, h, debian.TunnelPrograms)
	h.MayTunnel = true
	return h, h.Reboot(ctx)
}

// tunnel does what the two scripts of proxy-config say, the relay's as an operator would.
func tunnel(ctx context.Context, home *Relay, vps *machine.Host) error {
	script, err := home.Run(ctx, "chatmaild", "proxy-config", "--wireguard", "proxy")
	if err != nil {
		return err
	}
	if _, err := vps.Script(ctx, script); err != nil {
		journal, _ := vps.Script(ctx, "journalctl --no-pager --output=cat --unit=wg-quick@chatmail | tail -n 40")
		return fmt.Errorf("the end of the tunnel in front: %w\n%s", err, journal)
	}
	if _, err := home.Script(ctx, "chatmaild proxy-config --wireguard relay | sh"); err != nil {
		return fmt.Errorf("the relay's end of the tunnel: %w", err)
	}
	return nil
}
