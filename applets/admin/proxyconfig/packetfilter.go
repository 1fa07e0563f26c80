package proxyconfig

import (
	"fmt"
	"io"
	"slices"

	"chatmaild/applets/admin/desired"
	"chatmaild/applets/admin/nft"
	"chatmaild/applets/command"
	"chatmaild/applets/config"
)

// filter is what the template of a packet filter sees.
type filter struct {
	targets
	WithoutWeb   bool
	Table, Rules string
}

// packetFilter prints the rules for packets: they need no program on that machine, but
// hide the clients' addresses.
func packetFilter(w io.Writer, conf *config.Config, t targets, withoutWeb bool) error {
	// The ports are those that run opens, so that a new one cannot be missing here.
	ports := desired.OpenPorts(conf)
	if withoutWeb {
		ports = slices.DeleteFunc(ports, func(p int) bool { return p == 80 || p == 443 })
	}
	udp := ""
	if config.Turn(conf).Own() {
		udp = fmt.Sprintf("{ %d }", config.TurnPort)
	}
	rules, err := nft.Proxy{IPv4: t.IPv4, IPv6: t.IPv6, Ports: ports, UDP: udp}.Text()
	if err != nil {
		return command.Usagef("missing --target ADDRESS, the relay's address")
	}
	return fill(w, "packetfilter", filter{t, withoutWeb, nft.ProxyTable, rules})
}
