package proxyconfig

import (
	"fmt"
	"io"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"chatmaild/applets/admin/desired"
	"chatmaild/applets/command"
	"chatmaild/applets/config"
)

// webServers are those that --web knows.
var webServers = []string{"caddy", "haproxy", "nginx", "traefik"}

// front is a server that hands connections on to the relay, and for web servers, which keep
// ports 80 and 443 of their machine for their own sites as well, the relay's names: what the
// templates see.
type front struct {
	Names      []string // of the relay; whatever asks for others is not for it
	SelfSigned bool     // the relay's certificate cannot be verified
	ExtraPorts []int    // that serve what port 443 does

	relay netip.Addr
}

// proxyProtocolConfig writes the whole configuration of nginx on a machine in front of the
// relay.
func proxyProtocolConfig(w io.Writer, conf *config.Config, t targets) error {
	relay, err := t.one("--proxy-protocol")
	if err != nil {
		return err
	}
	return fill(w, "proxyprotocol", front{ExtraPorts: conf.ExtraPorts, relay: relay})
}

// webConfig writes the configuration of a web server that has ports 80 and 443 for
// itself, by which it serves the relay's names, too.
func webConfig(w io.Writer, server string, conf *config.Config, t targets) error {
	if !slices.Contains(webServers, server) {
		return command.Usagef("--web %s: want one of %s", server, strings.Join(webServers, ", "))
	}
	if _, literal := conf.Literal(); literal {
		return command.Usagef("--web: %s is an address, and a web server tells its sites apart by name", conf.MailDomain)
	}
	relay, err := t.one("--web")
	if err != nil {
		return err
	}
	return fill(w, server, front{conf.CertificateNames(), conf.SelfSigned(), conf.ExtraPorts, relay})
}

// Name is the relay's own name, the first of its names.
func (f front) Name() string { return f.Names[0] }

// Address is the relay's address.
func (f front) Address() string { return f.relay.String() }

// At is a port of the relay, as "host:port".
func (f front) At(port int) string {
	return net.JoinHostPort(f.relay.String(), strconv.Itoa(port))
}

// Proxied is where the relay expects the PROXY protocol for what comes to a public port.
func (f front) Proxied(public int) (string, error) {
	for _, p := range desired.ProxiedPorts() {
		if p.Public == public {
			return f.At(p.Port), nil
		}
	}
	return "", fmt.Errorf("port %d is not handed on by the PROXY protocol", public)
}

// MailPorts are the public ports that are for mail alone.
func (f front) MailPorts() []int {
	var ports []int
	for _, p := range desired.ProxiedPorts() {
		if p.Public != 443 {
			ports = append(ports, p.Public)
		}
	}
	return ports
}

// ProxyPorts are the relay's ports for the PROXY protocol, as a text.
func (f front) ProxyPorts() string {
	var ports []string
	for _, p := range desired.ProxiedPorts() {
		ports = append(ports, strconv.Itoa(p.Port))
	}
	last := len(ports) - 1
	return strings.Join(ports[:last], ", ") + " and " + ports[last]
}

// TurnPort is the port for calls.
func (f front) TurnPort() int { return config.TurnPort }

// Rule is a rule of Traefik's that is true for each of the relay's names.
func (f front) Rule(matcher string) string {
	var alternatives []string
	for _, name := range f.Names {
		alternatives = append(alternatives, fmt.Sprintf("%s(`%s`)", matcher, name))
	}
	return strings.Join(alternatives, " || ")
}

// Sites are Caddy's names of the relay's sites, each with this prefix.
func (f front) Sites(prefix string) string {
	return prefix + strings.Join(f.Names, ", "+prefix)
}
