package membership

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"slices"
	"strings"

	"chatmaild/applets/command"
	"chatmaild/applets/config"
)

// Self is this machine as a new one of several: by default it is called as its host, and
// its address is that of the interface in the network of the others.
func Self(name, address string, others []config.Member) (config.Member, error) {
	if name == "" {
		host, err := os.Hostname()
		if err != nil {
			return config.Member{}, fmt.Errorf("asking for the name of this machine: %w", err)
		}
		name, _, _ = strings.Cut(strings.ToLower(host), ".")
	}
	if address == "" {
		networks, err := networks()
		if err != nil {
			return config.Member{}, err
		}
		addr, err := among(networks, others)
		if err != nil {
			return config.Member{}, err
		}
		address = addr.String()
	}
	return config.ParseMember(name + " " + address)
}

// Has reports whether an address is one of this machine's.
func Has(addr netip.Addr) (bool, error) {
	all, err := networks()
	return slices.ContainsFunc(all, func(p netip.Prefix) bool { return p.Addr() == addr }), err
}

// networks are those of this machine's interfaces, each with the machine's address in it.
func networks() (all []netip.Prefix, err error) {
	addrs, err := net.InterfaceAddrs()
	if err != nil {
		return nil, fmt.Errorf("asking for this machine's addresses: %w", err)
	}
	for _, a := range addrs {
		if prefix, err := netip.ParsePrefix(a.String()); err == nil {
			all = append(all, prefix)
		}
	}
	return all, nil
}

// among returns this machine's one address in a network that has others.
func among(networks []netip.Prefix, others []config.Member) (found netip.Addr, err error) {
	for _, network := range networks {
		for _, m := range others {
			switch {
			case m.Addr == network.Addr(), !network.Contains(m.Addr), found == network.Addr():
			case found.IsValid():
				return found, command.WithHint(fmt.Errorf("%v and %v are both in networks of the other machines", found, network.Addr()),
					"say which one: --address ADDRESS")
			default:
				found = network.Addr()
			}
		}
	}
	if !found.IsValid() {
		return found, command.WithHint(errors.New("no interface of this machine is in the network of the others"),
			"set it up, or say which address it is: --address ADDRESS")
	}
	return found, nil
}
