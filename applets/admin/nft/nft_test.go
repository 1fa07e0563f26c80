package nft

import (
	"errors"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

var (
	relay4 = netip.MustParseAddr("192.0.2.7")
	relay6 = netip.MustParseAddr("2001:db8::7")
	ports  = []int{25, 80, 443}
)

func TestProxy(t *testing.T) {
	const set = "{ 25, 80, 443 }"
	tests := []struct {
		name        string
		proxy       Proxy
		has, hasNot []string
	}{
		{"both", Proxy{IPv4: relay4, IPv6: relay6, Ports: ports, UDP: "{ 3478 }"}, []string{
			"meta nfproto ipv6 fib daddr type local udp dport { 3478 } counter dnat ip6 to 2001:db8::7\n",
			"ip daddr 192.0.2.7 udp dport { 3478 } ct status dnat masquerade\n",
			"meta nfproto ipv4 fib daddr type local tcp dport " + set + " counter dnat ip to 192.0.2.7\n",
			"meta nfproto ipv6 fib daddr type local tcp dport " + set + " counter dnat ip6 to 2001:db8::7\n",
			"ip daddr 192.0.2.7 tcp dport " + set + " ct status dnat masquerade\n",
			"ip6 daddr 2001:db8::7 tcp dport " + set + " ct status dnat accept\n",
			"hook forward priority filter; policy drop;",
		}, nil},
		{"a tunnel", Proxy{IPv4: relay4, Ports: ports, UDP: "{ 3478, 61000-61999 }", Tunnel: "chatmail"}, []string{
			"udp dport { 3478, 61000-61999 } counter dnat ip to 192.0.2.7\n",
			"\t\tiifname \"chatmail\" masquerade\n", "\t\tiifname \"chatmail\" accept\n",
		}, []string{"ct status dnat masquerade"}},
		{"IPv4", Proxy{IPv4: relay4, Ports: ports}, []string{"dnat ip to 192.0.2.7"}, []string{"ip6", "ipv6", "udp"}},
		{"IPv6", Proxy{IPv6: relay6, Ports: ports}, []string{"dnat ip6 to 2001:db8::7"}, []string{"ip daddr", "ipv4"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			text, err := tt.proxy.Text()
			if err != nil {
				t.Fatal(err)
			}
			for _, has := range tt.has {
				if !strings.Contains(text, has) {
					t.Errorf("lacks %q:\n%s", has, text)
				}
			}
			for _, hasNot := range tt.hasNot {
				if strings.Contains(text, hasNot) {
					t.Errorf("has %q:\n%s", hasNot, text)
				}
			}
			// Whatever it does, a person has to be able to come in and undo it.
			if strings.Contains(text, "22") {
				t.Errorf("has to do with SSH:\n%s", text)
			}
			load(t, text)
		})
	}
	if _, err := (Proxy{Ports: ports}).Text(); !errors.Is(err, ErrNoAddress) {
		t.Errorf("without an address: got %v, want %v", err, ErrNoAddress)
	}
}

func TestRelay(t *testing.T) {
	tests := []struct {
		name        string
		relay       Relay
		has, hasNot string
	}{
		{"plain", Relay{Ports: ports, SSH: 22}, "\t\ttcp dport 22 accept\n\t\ttcp dport { 25, 80, 443 } accept\n", "20025"},
		{"UDP", Relay{Ports: ports, SSH: 22, UDP: "{ 3478, 61000-61999 }"}, "\t\tudp dport { 3478, 61000-61999 } accept\n", "20025"},
		{"SSH elsewhere", Relay{Ports: ports, SSH: 2222}, "\t\ttcp dport 2222 accept\n", "dport 22 "},
		{
			"behind a proxy", Relay{ports, 22, "", []Restricted{{[]int{20025}, []netip.Addr{relay4, relay6}}}},
			"\t\tip saddr 192.0.2.7 tcp dport { 20025 } accept\n\t\tip6 saddr 2001:db8::7 tcp dport { 20025 } accept\n", "\t\ttcp dport { 20025 }",
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			text := tt.relay.Text()
			if !strings.Contains(text, tt.has) {
				t.Errorf("lacks %q:\n%s", tt.has, text)
			}
			if strings.Contains(text, tt.hasNot) {
				t.Errorf("has %q:\n%s", tt.hasNot, text)
			}
			load(t, text)
		})
	}
}

// load has the kernel take the rules, twice, in a network namespace of their own,
// and wants no table to be left once it is deleted.
func load(t *testing.T, text string) {
	t.Helper()
	file := filepath.Join(t.TempDir(), "rules.nft")
	if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(text, " inet ")
	name, _, _ := strings.Cut(rest, "\n")
	const script = `nft -f "$1"; nft -f "$1"; nft delete table inet "$2"; test -z "$(nft list ruleset)"`
	args := []string{"--net", "sh", "-euc", script, "load", file, name}
	if os.Geteuid() != 0 {
		args = slices.Insert(args, 0, "--map-root-user")
	}
	out, err := exec.Command("unshare", args...).CombinedOutput()
	if err != nil {
		t.Errorf("nft: %v\n%s%s", err, out, text)
	}
}
