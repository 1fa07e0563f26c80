// Package nft writes the packet filters of a relay, and of a machine that
// hands connections on to one, as text for nft(8). It is pure: who loads them is
// the operator.
//
// Each set is a table of its own, which loading replaces in one transaction: the
// rules of others stay as they are, and deleting the table undoes it.
package nft

import (
	"errors"
	"fmt"
	"net/netip"
	"strconv"
	"strings"
)

// Names of the tables.
const (
	ProxyTable = "chatmail_proxy"
	RelayTable = "chatmail_relay"
)

// Proxy is a machine that hands ports on to a relay.
type Proxy struct {
	IPv4, IPv6 netip.Addr // the relay's; at least one is valid
	Ports      []int

	UDP string // ports as well, as an expression of a set; "" for none

	// Tunnel is the interface of a tunnel that all of the relay's packets take, or "". Then
	// its answers come back in any case, and it sees the clients' addresses; what it sends to
	// others leaves by the proxy's.
	Tunnel string
}

// ErrNoAddress is the error of a proxy that does not know where the relay is.
var ErrNoAddress = errors.New("want an address of the relay")

// Text returns the proxy's rules. Connections of a family are handed on within
// it. Without a tunnel the relay's answers come back through the proxy because they go to
// it: the relay sees the proxy's address in place of the client's.
func (p Proxy) Text() (string, error) {
	if !p.IPv4.IsValid() && !p.IPv6.IsValid() {
		return "", ErrNoAddress
	}
	var nat, masquerade, forward strings.Builder
	for _, f := range []struct {
		family, name string
		relay        netip.Addr
	}{{"ip", "ipv4", p.IPv4}, {"ip6", "ipv6", p.IPv6}} {
		if !f.relay.IsValid() {
			continue
		}
		for _, of := range []struct{ protocol, ports string }{{"tcp", set(p.Ports)}, {"udp", p.UDP}} {
			if of.ports == "" {
				continue
			}
			match := of.protocol + " dport " + of.ports
			fmt.Fprintf(&nat, "\t\tmeta nfproto %s fib daddr type local %s counter dnat %s to %v\n", f.name, match, f.family, f.relay)
			if p.Tunnel == "" {
				fmt.Fprintf(&masquerade, "\t\t%s daddr %v %s ct status dnat masquerade\n", f.family, f.relay, match)
			}
			fmt.Fprintf(&forward, "\t\t%s daddr %v %s ct status dnat accept\n", f.family, f.relay, match)
		}
	}
	if p.Tunnel != "" {
		// To itself, too, by its public name.
		fmt.Fprintf(&masquerade, "\t\tiifname %q masquerade\n", p.Tunnel)
		fmt.Fprintf(&forward, "\t\tiifname %q accept\n", p.Tunnel)
	}
	return table(ProxyTable, fmt.Sprintf(`	chain handed_on {
		type nat hook prerouting priority dstnat; policy accept;
%s	}
	chain answers {
		type nat hook postrouting priority srcnat; policy accept;
%s	}
	# This machine forwards nothing else.
	chain forwarded {
		type filter hook forward priority filter; policy drop;
		tcp flags syn tcp option maxseg size set rt mtu
		ct state established,related accept
%s	}
`, nat.String(), masquerade.String(), forward.String())), nil
}

// Relay is a machine that is a relay.
type Relay struct {
	Ports []int // open to all
	SSH   int   // likewise

	UDP string // likewise, as an expression of a set; "" for none

	Restricted []Restricted
}

// Restricted are ports that are open to some machines alone.
type Restricted struct {
	Ports []int
	From  []netip.Addr
}

// Text returns the relay's rules: what comes in is refused, but for its ports,
// SSH, and what IP itself needs (RFC 4890 §4.4 for ICMPv6).
func (r Relay) Text() string {
	var restricted strings.Builder
	for _, some := range r.Restricted {
		for _, p := range some.From {
			family := "ip6"
			if p.Is4() {
				family = "ip"
			}
			fmt.Fprintf(&restricted, "\t\t%s saddr %v tcp dport %s accept\n", family, p, set(some.Ports))
		}
	}
	return table(RelayTable, fmt.Sprintf(`	chain incoming {
		type filter hook input priority filter; policy drop;
		ct state established,related accept
		ct state invalid drop
		iif lo accept
		ip protocol icmp icmp type { echo-request, destination-unreachable, time-exceeded, parameter-problem } accept
		ip6 nexthdr ipv6-icmp icmpv6 type { echo-request, destination-unreachable, packet-too-big, time-exceeded, parameter-problem } accept
		# Neighbours and routers on this link.
		ip6 hoplimit 255 icmpv6 type { nd-router-advert, nd-neighbor-solicit, nd-neighbor-advert } accept
		ip6 saddr fe80::/10 icmpv6 type { mld-listener-query, mld-listener-report, mld-listener-done, mld2-listener-report } accept
		# Addresses by DHCP.
		udp sport 67 udp dport 68 accept
		ip6 saddr fe80::/10 udp sport 547 udp dport 546 accept
		tcp dport %d accept
		tcp dport %s accept
%s%s		# A reset is faster than a timeout, and reveals no more.
		meta l4proto tcp reject with tcp reset
	}
`, r.SSH, set(r.Ports), r.udp(), restricted.String()))
}

func (r Relay) udp() string {
	if r.UDP == "" {
		return ""
	}
	return "\t\tudp dport " + r.UDP + " accept\n"
}

// table is a whole file for nft -f. Naming the table first makes it exist, so
// that deleting it never fails.
func table(name, chains string) string {
	return fmt.Sprintf("table inet %[1]s\ndelete table inet %[1]s\ntable inet %[1]s {\n%[2]s}\n", name, chains)
}

// set writes ports as a set of nft.
func set(ports []int) string {
	texts := make([]string, len(ports))
	for i, p := range ports {
		texts[i] = strconv.Itoa(p)
	}
	return "{ " + strings.Join(texts, ", ") + " }"
}

// Comment makes each line one of nft's, or of a shell's.
func Comment(text string) string {
	var b strings.Builder
	for line := range strings.Lines(text) {
		b.WriteString(strings.TrimRight("# "+strings.TrimSuffix(line, "\n"), " ") + "\n")
	}
	return b.String()
}
