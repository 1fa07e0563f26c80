// Package proxyconfig prints the configuration of another machine that passes a relay's
// connections on to it: by packet filter rules, by nginx and the PROXY protocol, or by a
// web server that has sites of its own, too.
package proxyconfig

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"io/fs"
	"net/netip"
	"os"
	"slices"
	"strings"

	"chatmaild/applets/admin/desired"
	"chatmaild/applets/admin/nft"
	"chatmaild/applets/command"
	"chatmaild/applets/config"
)

// tunnelKeys is where the keys of both ends of a tunnel are.
const tunnelKeys = "/etc/chatmail/wireguard"

// Command is chatmaild proxy-config.
var Command = command.Command{
	Name: "proxy-config", Kind: command.Admin,
	Synopsis: "prints the configuration of a machine in front of this relay",
	Description: `That machine passes all connections for mail, web and calls on. The output begins
with the steps to set it up. With --proxy-protocol the relay learns the address of each
client; see proxy_addresses in chatmail.toml(5). With --web that machine keeps ports 80
and 443, for other sites as well: caddy, haproxy, nginx or traefik. With --wireguard
the relay needs no public address: that machine, which proxy_addresses names, reaches it
by a tunnel, and its mail leaves through it. The keys are made at first, and kept in
/etc/chatmail/wireguard.`,
	Examples: command.Examples{
		{"proxy-config --target 192.0.2.7 --target 2001:db8::7", "packet filter rules, for IPv4 and IPv6"},
		{"proxy-config --proxy-protocol --target 192.0.2.7", "an nginx configuration"},
		{"proxy-config --web haproxy --target 192.0.2.7", "for a HAProxy that has other web sites"},
		{"proxy-config --wireguard proxy | ssh root@192.0.2.1 sh", "set up the far end of a tunnel"},
		{"proxy-config --wireguard relay | sh", "set up the end here"},
	},
	Bind: func(fs *flag.FlagSet) command.Run {
		var target targets
		fs.Var(&target, "target", "pass connections on to the relay at `ADDRESS`; give it twice for IPv4 and IPv6")
		protocol := fs.Bool("proxy-protocol", false, "print an nginx configuration instead of packet filter rules")
		web := fs.String("web", "", "print the configuration of a web server that has other sites, too; `SERVER` is caddy, haproxy, nginx or traefik")
		wireguard := fs.String("wireguard", "", "print a shell script for one `END` of a tunnel to a relay without a public address: proxy or relay")
		withoutWeb := fs.Bool("without-web", false, "leave ports 80 and 443 out of the packet filter rules")
		return func(_ context.Context, env *command.Env, args []string) error {
			switch {
			case len(args) > 0:
				return command.Usagef("unexpected argument %q: the relay's address follows --target", args[0])
			case *web != "" && (*protocol || *withoutWeb), *protocol && *withoutWeb:
				return command.Usagef("want one of --web, --proxy-protocol and --without-web")
			case *wireguard != "" && (*web != "" || *protocol || *withoutWeb || target != targets{}):
				return command.Usagef("--wireguard takes no other flag: proxy_addresses in the configuration has the addresses")
			case *wireguard != "":
				conf, err := env.Config()
				if err != nil {
					return err
				}
				return tunnelConfig(env.Stdout, *wireguard, conf, tunnelKeys)
			case *web != "":
				conf, err := env.Config()
				if err != nil {
					return err
				}
				return webConfig(env.Stdout, *web, conf, target)
			}
			conf, err := relayConfig(env)
			switch {
			case err != nil:
				return err
			case *protocol:
				return proxyProtocolConfig(env.Stdout, conf, target)
			}
			return proxyConfig(env.Stdout, conf, target, *withoutWeb)
		}
	},
}

// relayConfig is the relay's configuration, or the default one: on the machine in front
// there is none.
func relayConfig(env *command.Env) (*config.Config, error) {
	if _, err := os.Stat(env.ConfigPath); errors.Is(err, fs.ErrNotExist) {
		return config.Defaults(), nil
	}
	return env.Config()
}

// targets is the value of --target: an address of each family at most.
type targets struct{ ipv4, ipv6 netip.Addr }

// String is empty until there is a target: it is how flag shows a default.
func (t *targets) String() string { return "" }

// Set adds an address. One that only this machine can reach is none for a proxy.
func (t *targets) Set(text string) error {
	addr, err := netip.ParseAddr(text)
	if err != nil || addr.Zone() != "" || addr.Is4In6() {
		return fmt.Errorf("want an address such as 192.0.2.7 or 2001:db8::7")
	}
	if addr.IsUnspecified() || addr.IsLoopback() || addr.IsMulticast() || addr.IsLinkLocalUnicast() {
		return fmt.Errorf("other machines cannot reach that address")
	}
	of := &t.ipv6
	if addr.Is4() {
		of = &t.ipv4
	}
	if of.IsValid() {
		return fmt.Errorf("want one address per family; %v is given already", *of)
	}
	*of = addr
	return nil
}

// one is the only address, for what cannot hand a connection on by another protocol than
// TCP, so that one address serves clients of both families.
func (t *targets) one(flag string) (netip.Addr, error) {
	if t.ipv4.IsValid() == t.ipv6.IsValid() {
		return netip.Addr{}, command.Usagef("%s needs exactly one --target, for clients over IPv4 and IPv6 alike", flag)
	}
	if t.ipv4.IsValid() {
		return t.ipv4, nil
	}
	return t.ipv6, nil
}

// proxySteps come in front of the rules, as their nft.Comment.
const proxySteps = `Forwards the %[7]s ports of this machine to the chatmail relay at
%[1]s. SSH and everything else stay on this machine.

On the relay: save this text,

    chatmaild proxy-config %[2]s >chatmail-proxy.nft

and copy it to /etc/chatmail-proxy.nft on the proxy, a Debian machine that is
not a relay itself. There, as root:

    apt install nftables
    cat >/etc/sysctl.d/90-chatmail-proxy.conf <<END
%[3]s    END
    sysctl --system
    echo 'include "/etc/chatmail-proxy.nft"' >>/etc/nftables.conf
    systemctl enable nftables
    systemctl restart nftables

%[4]sIn DNS, set the A and AAAA records of the relay's name to the proxy's addresses%[5]s.
Mail to other relays still leaves from the relay itself: SPF has to allow it,
"v=spf1 a%[6]s ~all".

On the relay: proxy_addresses = ["ADDRESS", …] in /etc/chatmail/chatmail.toml, with
the proxy's, so that "chatmaild dns" and "chatmaild run" know about it.

The relay sees the proxy's address in place of each client's: limits per
network then apply to all of them together. See max_network_registrations_per_day
and max_smtp_connections in chatmail.toml(5), or use --proxy-protocol, by which the
relay learns the clients' addresses.

Calls: the relay relays them through its own ports (turn_ports, UDP), which callers must
be able to reach on the relay itself, bypassing this machine; see turn_external_address. If they cannot,
set turn = "off".

To undo it: nft delete table inet ` + nft.ProxyTable + `, and remove the line from
/etc/nftables.conf and the file from /etc/sysctl.d.
`

// proxyConfig prints the rules for packets: they need no program on that machine, but
// hide the clients' addresses.
func proxyConfig(w io.Writer, conf *config.Config, t targets, withoutWeb bool) error {
	ports, what, flags := desired.OpenPorts(conf), "mail, web and call", ""
	if withoutWeb {
		ports = slices.DeleteFunc(ports, func(p int) bool { return p == 80 || p == 443 })
		what, flags = "mail and call", " --without-web"
	}
	udp := ""
	if config.Turn(conf).Own() {
		udp = fmt.Sprintf("{ %d }", config.TurnPort)
	}
	// The ports are those that run opens, so that a new one cannot be missing here.
	rules, err := nft.Proxy{IPv4: t.ipv4, IPv6: t.ipv6, Ports: ports, UDP: udp}.Text()
	if err != nil {
		return command.Usagef("missing --target ADDRESS, the relay's address")
	}
	var addrs []string
	var sysctls, routers, spf string
	if t.ipv4.IsValid() {
		addrs = append(addrs, t.ipv4.String())
		flags += " --target " + t.ipv4.String()
		sysctls += "    net.ipv4.ip_forward = 1\n"
		spf += " ip4:" + t.ipv4.String()
	}
	if t.ipv6.IsValid() {
		addrs = append(addrs, t.ipv6.String())
		flags += " --target " + t.ipv6.String()
		sysctls += "    net.ipv6.conf.all.forwarding = 1\n"
		spf += " ip6:" + t.ipv6.String()
		// accept_ra=1, the default, is off where forwarding is on (linux, ip-sysctl.rst).
		routers = `A machine that forwards IPv6 ignores router advertisements. If its own address comes
from one, add net.ipv6.conf.IFACE.accept_ra = 2, with the name of its interface.

`
	}
	only := ""
	if len(addrs) == 1 {
		only = ",\nwithout the family for which the relay has no address here"
	}
	fmt.Fprint(w, "#!/usr/sbin/nft -f\n", nft.Comment(fmt.Sprintf(proxySteps,
		strings.Join(addrs, " and "), strings.TrimSpace(flags), sysctls, routers, only, spf, what)), "\n")
	_, err = io.WriteString(w, rules)
	return err
}
