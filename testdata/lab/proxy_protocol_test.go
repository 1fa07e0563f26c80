package lab

import (
	"bufio"
	"context"
	"fmt"
	"net/netip"
	"strings"
	"testing"
)

// proxyProtocol puts a machine with nginx in front of the relay, as "chatmaild
// proxy-config --proxy-protocol" says: clients of both families talk through it,
// and the relay knows who they are.
func (p *proof) proxyProtocol(t *testing.T) {
	ctx := deadline(t, stepTimeout)
	entry := startHost(t, p.lab, "entry")
	text := p.script(t, "chatmaild proxy-config --proxy-protocol --target %v", p.relay.IPv4)
	// All that a relay needs is installed on a host of the lab, and Dovecot runs.
	sh(t, entry, "systemctl stop dovecot postfix && cp /etc/nginx/nginx.conf /etc/nginx/nginx.conf.debian")
	writeFile(t, entry, "/etc/nginx/nginx.conf", 0o644, text)
	sh(t, entry, "nginx -t && systemctl restart nginx")
	p.script(t, `sed -i '1i proxy_addresses = ["%v", "%v"]' %s && chatmaild run --skip-dns-check`, entry.IPv4, entry.IPv6, configFile)
	t.Cleanup(func() {
		undo := fmt.Sprintf("sed -i /^proxy_addresses/d %s && chatmaild run --skip-dns-check", configFile)
		if _, err := p.relay.Script(context.Background(), undo); err != nil {
			t.Error(err)
		}
	})

	since := strings.TrimSpace(p.script(t, "date +%%s"))
	greets := func(to netip.Addr, port uint16) string {
		t.Helper()
		conn, err := p.outside.DialContext(ctx, "tcp", netip.AddrPortFrom(to, port).String())
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		end, _ := ctx.Deadline()
		conn.SetReadDeadline(end)
		line, _ := bufio.NewReader(conn).ReadString('\n')
		return line
	}
	for _, ip := range []netip.Addr{entry.IPv4, entry.IPv6} {
		for port, want := range map[uint16]string{25: "220 ", 587: "220 ", 143: "* OK "} {
			if got := greets(ip, port); !strings.HasPrefix(got, want) {
				t.Errorf("port %d of %v: got %q, want %q", port, ip, got, want)
			}
		}
	}
	// Nobody else can say who he is.
	if got := greets(p.relay.IPv4, 20025); got != "" {
		t.Errorf("the relay's port for proxies says %q to a stranger", got)
	}
	until(ctx, t, "Postfix to tell of both addresses", func() bool {
		log := p.script(t, "journalctl --no-pager --output=cat --since=@%s --unit=chatmaild-maillog.service", since)
		for _, ip := range []netip.Addr{p.outside.IPv4, p.outside.IPv6} {
			if !strings.Contains(log, "connect from unknown["+p.script(t, "chatmaild log %s", ip)+"]") {
				return false
			}
		}
		return true
	})
	// What filtermail-out was told is in no log.
	contains(t, "metrics", p.script(t, "chatmaild metrics --print"), `chatmaild_submission_sessions_total{entrance="submission-proxy"} 2`)

	// By the relay's name, with TLS.
	p.moveTo(t, entry.Station)
	s := p.imap(t, p.sender)
	who := p.script(t, "doveadm who -1")
	if !strings.Contains(who, p.sender.addr) || !strings.Contains(who, p.outside.IPv4.String()) {
		t.Errorf("Dovecot does not know the address of a client:\n%s", who)
	}
	s.Close()
	p.submission(t, p.sender)
	alice := startProfile(t, p.lab, "entry-alice", p.relay.SignUpQR())
	bob := startProfile(t, p.lab, "entry-bob", p.relay.SignUpQR())
	chat := secureJoin(t, bob, alice, nil)
	say(t, bob, chat, alice, "by the PROXY protocol")
	p.calls(t, entry.IPv4, entry.IPv6)
	// Port 443 is for all protocols, here too.
	p.alpn(t, entry.IPv6)
	p.webFronts(t, entry)
}
