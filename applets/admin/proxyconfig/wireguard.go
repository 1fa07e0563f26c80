package proxyconfig

import (
	"errors"
	"fmt"
	"io"
	"net/netip"
	"path/filepath"
	"strings"

	"chatmaild/applets/admin/desired"
	"chatmaild/applets/admin/nft"
	"chatmaild/applets/admin/wireguard"
	"chatmaild/applets/command"
	"chatmaild/applets/config"
)

// tunnelKeys is where the keys of both ends of a tunnel are.
const tunnelKeys = wireguard.Keys

// The ends of the tunnel, as --wireguard names them.
const (
	proxyEnd = "proxy"
	relayEnd = "relay"
)

// tunnelPort is WireGuard's, UDP (wg-quick(8)).
const tunnelPort = 51820

// The tunnel's own addresses: nothing but the two ends knows them.
var (
	proxyTunnel = tunnelAddresses{netip.MustParseAddr("10.177.43.1"), netip.MustParseAddr("fd63:6861:746d::1")}
	relayTunnel = tunnelAddresses{netip.MustParseAddr("10.177.43.2"), netip.MustParseAddr("fd63:6861:746d::2")}
)

type tunnelAddresses struct{ IPv4, IPv6 netip.Addr }

// tunnel is what its templates see.
type tunnel struct {
	Interface, Config, Rules string // its name, and paths of files
	Port                     int
	Proxy, Relay             tunnelAddresses
	ProxyKey, RelayKey       wireguard.Key
	HasIPv4, HasIPv6         bool   // the proxy has such an address
	Endpoint                 string // host:port of the proxy
	Filter                   string // the proxy's packet filter
	Addresses                string // the proxy's, as a list of TOML
	Conf                     *config.Config
}

// tunnelConfig writes a script for one end of a tunnel between the relay and the machine
// in front of it, whose addresses the configuration has. Keys are made once, and kept in
// dir.
func tunnelConfig(w io.Writer, end string, conf *config.Config, dir string) error {
	if end != proxyEnd && end != relayEnd {
		return command.Usagef("--wireguard %s: want %s or %s", end, proxyEnd, relayEnd)
	}
	t := tunnel{
		Interface: desired.TunnelInterface, Config: desired.TunnelConfig, Rules: "/etc/wireguard/" + desired.TunnelInterface + ".nft",
		Port: tunnelPort, Proxy: proxyTunnel, Relay: relayTunnel, Conf: conf,
	}
	var quoted []string
	for _, addr := range conf.Proxies() {
		quoted = append(quoted, fmt.Sprintf("%q", addr))
		if addr.Is4() {
			t.HasIPv4 = true
		} else {
			t.HasIPv6 = true
		}
		if t.Endpoint == "" || addr.Is4() {
			t.Endpoint = netip.AddrPortFrom(addr, tunnelPort).String()
		}
	}
	if quoted == nil {
		return command.WithHint(errors.New("the configuration does not say which machine is in front of the relay"),
			`set proxy_addresses = ["ADDRESS", …] with its public addresses`)
	}
	t.Addresses = "[" + strings.Join(quoted, ", ") + "]"
	var err error
	if t.Filter, err = t.filter(); err != nil {
		return err
	}
	for name, key := range map[string]*wireguard.Key{proxyEnd: &t.ProxyKey, relayEnd: &t.RelayKey} {
		if *key, err = wireguard.Load(filepath.Join(dir, name+".key")); err != nil {
			return err
		}
	}
	return fill(w, end+".sh", t)
}

// Hosts are an end's addresses, of the families that the proxy has, as networks of one host.
func (t tunnel) Hosts(of tunnelAddresses) string {
	var hosts []string
	if t.HasIPv4 {
		hosts = append(hosts, of.IPv4.String()+"/32")
	}
	if t.HasIPv6 {
		hosts = append(hosts, of.IPv6.String()+"/128")
	}
	return strings.Join(hosts, ", ")
}

// Table is that of the proxy's packet filter.
func (t tunnel) Table() string { return nft.ProxyTable }

// filter is the proxy's: the relay's ports, and those of calls, go into the tunnel.
func (t tunnel) filter() (string, error) {
	rules := nft.Proxy{Ports: desired.OpenPorts(t.Conf), UDP: desired.CallPorts(t.Conf), Tunnel: t.Interface}
	if t.HasIPv4 {
		rules.IPv4 = t.Relay.IPv4
	}
	if t.HasIPv6 {
		rules.IPv6 = t.Relay.IPv6
	}
	return rules.Text()
}
