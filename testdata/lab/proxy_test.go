package lab

import (
	"context"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"testing"
	"time"

	"chatmaild/applets/config"
	"chatmaild/applets/turn/credential"
	"chatmaild/applets/turn/probe"
	"chatmaild/testdata/lab/network"
)

// mailAndWeb are the ports by which the world reaches a relay.
var mailAndWeb = []int{25, 80, 143, 443, 465, 587, 993}

// proxy puts a machine in front of the relay, as "chatmaild proxy-config" says,
// closes the relay for all else, as "chatmaild firewall" says, and has real
// clients talk through both.
func (p *proof) proxy(t *testing.T) {
	ctx := deadline(t, stepTimeout)
	front := addStation(t, p.lab, "front")
	text := p.script(t, "chatmaild proxy-config --target %v --target %v", p.relay.IPv4, p.relay.IPv6)
	p.forward(t, front, text)

	// Something of the relay's machine that is nobody's business.
	private, err := p.relay.Listen(9999)
	if err != nil {
		t.Fatal(err)
	}
	defer private.Close()
	reach := func(from network.Station, to netip.Addr, port int) error {
		conn, err := from.DialContext(ctx, "tcp", netip.AddrPortFrom(to, uint16(port)).String())
		if err == nil {
			conn.Close()
		}
		return err
	}
	if err := reach(p.outside, p.relay.IPv4, 9999); err != nil {
		t.Fatalf("without a firewall: %v", err)
	}
	loadRules(t, p.relay.Station, p.script(t, "chatmaild firewall"))
	t.Cleanup(func() {
		p.relay.InNetns(context.Background(), "nft", "delete", "table", "inet", "chatmail_relay")
	})
	for _, ip := range []netip.Addr{p.relay.IPv4, p.relay.IPv6, front.IPv4, front.IPv6} {
		for _, port := range mailAndWeb {
			if err := reach(p.outside, ip, port); err != nil {
				t.Errorf("a port of the relay is closed: %v", err)
			}
		}
		if err := reach(p.outside, ip, 9999); err == nil {
			t.Errorf("port 9999 of %v is open", ip)
		}
	}
	// SSH is the proxy's own, and there is none on this one.
	if err := reach(p.outside, front.IPv4, 22); err == nil {
		t.Error("the proxy hands SSH on")
	}

	// The relay's name is the proxy's address now.
	p.moveTo(t, front)
	before := handedOn(t, front)
	alice := startProfile(t, p.lab, "front-alice", p.relay.SignUpQR())
	bob := startProfile(t, p.lab, "front-bob", p.relay.SignUpQR())
	chat := secureJoin(t, bob, alice, nil)
	say(t, bob, chat, alice, "through the proxy")
	p.calls(t, front.IPv4, front.IPv6)
	if after := handedOn(t, front); after < before+4 {
		t.Errorf("the proxy handed on %d connections of two clients", after-before)
	}
}

// forward has a station forward packets, as a text of proxy-config says.
func (p *proof) forward(t *testing.T, front network.Station, text string) {
	t.Helper()
	for _, m := range regexp.MustCompile(`(?m)^# +(net\.\S+) = (\d)$`).FindAllStringSubmatch(text, -1) {
		if _, err := front.InNetns(t.Context(), "sysctl", "-q", m[1]+"="+m[2]); err != nil {
			t.Fatal(err)
		}
	}
	loadRules(t, front, text)
}

// calls has two users call each other by the TURN server that is behind an address.
func (p *proof) calls(t *testing.T, addrs ...netip.Addr) {
	t.Helper()
	secret, err := credential.Parse([]byte(p.script(t, "cat /var/lib/chatmaild/turn/secret")))
	if err != nil {
		t.Fatal(err)
	}
	name, password := secret.Issue("caller", time.Now())
	for _, addr := range addrs {
		err := p.outside.Do(func() error {
			_, err := probe.Run(deadline(t, stepTimeout), probe.Server{Host: addr.String(), Port: config.TurnPort, Name: name, Password: password}, nil)
			return err
		})
		if err != nil {
			t.Errorf("TURN at %v: %v", addr, err)
		}
	}
}

// moveTo has the relay's name be another station's until the test ends.
func (p *proof) moveTo(t *testing.T, to network.Station) {
	t.Helper()
	set := func(s network.Station) {
		if err := s.TakeName(p.relay.Domain); err != nil {
			t.Error(err)
		}
	}
	set(to)
	t.Cleanup(func() { set(p.relay.Station) })
}

// loadRules has a station's kernel take a text of nft's. The program is this
// machine's: the lab's hosts have none.
func loadRules(t *testing.T, s network.Station, text string) {
	t.Helper()
	file := filepath.Join(t.TempDir(), "rules.nft")
	if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := s.InNetns(t.Context(), "nft", "-f", file); err != nil {
		t.Fatal(err)
	}
}

var packets = regexp.MustCompile(`counter packets (\d+) `)

// handedOn counts the connections that a proxy has handed on.
func handedOn(t *testing.T, s network.Station) int {
	t.Helper()
	out, err := s.InNetns(t.Context(), "nft", "list", "table", "inet", "chatmail_proxy")
	if err != nil {
		t.Fatal(err)
	}
	sum := 0
	for _, m := range packets.FindAllStringSubmatch(out, -1) {
		n, err := strconv.Atoi(m[1])
		if err != nil {
			t.Fatal(err)
		}
		sum += n
	}
	fmt.Fprintln(t.Output(), "handed on:", sum)
	return sum
}
