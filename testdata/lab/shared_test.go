package lab

import (
	"slices"
	"testing"
)

// TestShared has a relay behind a machine whose ports 80 and 443 are another web server's,
// of each kind that Debian has: its users sign up by the printed link and talk with one of a
// usual relay, which tests it. No command finds fault with that.
func TestShared(t *testing.T) {
	l, deb := newLab(t)
	p := &proof{lab: l, relay: startRelayIn(t, l, deb, "_shared.test"), usual: startRelayIn(t, l, deb, "_usual.test")}
	p.outside = addStation(t, l, "outside")
	p.sender = p.newAccount(t)
	entry := startHost(t, l, "entry")
	sh(t, entry, "systemctl stop dovecot postfix && cp /etc/nginx/nginx.conf /etc/nginx/nginx.conf.debian")
	p.script(t, `sed -i '1i proxy_addresses = ["%v", "%v"]' %s && chatmaild run`, entry.IPv4, entry.IPv6, configFile)
	p.moveTo(t, entry.Station)
	p.webFronts(t, entry)
}

// content holds that no command finds fault with a relay, nor a usual relay with it.
func (p *proof) content(t *testing.T, flags ...string) {
	t.Helper()
	content(t, p.relay, "")
	p.tested(t, flags...)
}

// tested holds that a usual relay finds no fault with a relay.
func (p *proof) tested(t *testing.T, flags ...string) {
	t.Helper()
	command := slices.Concat([]string{"chatmaild", "test"}, flags, []string{p.relay.Domain})
	res, err := p.usual.Exec(deadline(t, stepTimeout), nil, command...)
	if err != nil || res.Code != 0 {
		t.Errorf("test: %v, exit status %d\n%s%s", err, res.Code, res.Stdout, res.Stderr)
	}
}
