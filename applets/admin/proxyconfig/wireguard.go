package proxyconfig

import (
	"crypto/ecdh"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/netip"
	"os"
	"path/filepath"
	"strings"

	"chatmaild/applets/admin/desired"
	"chatmaild/applets/admin/nft"
	"chatmaild/applets/command"
	"chatmaild/applets/config"
	"chatmaild/store/atomicfile"
)

// tunnelKeys is where the keys of both ends of a tunnel are.
const tunnelKeys = "/etc/chatmail/wireguard"

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
	ProxyKey, RelayKey       tunnelKey
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
	for name, key := range map[string]*tunnelKey{proxyEnd: &t.ProxyKey, relayEnd: &t.RelayKey} {
		if *key, err = loadTunnelKey(filepath.Join(dir, name+".key")); err != nil {
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

// tunnelKey is a private key of WireGuard's: X25519 (RFC 7748 §5), as wg(8) writes it. The
// standard library has it, so x/crypto is not needed.
type tunnelKey struct{ private *ecdh.PrivateKey }

func (k tunnelKey) Private() string { return base64.StdEncoding.EncodeToString(k.private.Bytes()) }

func (k tunnelKey) Public() string {
	return base64.StdEncoding.EncodeToString(k.private.PublicKey().Bytes())
}

// loadTunnelKey reads a key, and makes it first if there is none: the two scripts have to
// fit together, and to be the same if they are printed again.
func loadTunnelKey(path string) (tunnelKey, error) {
	text, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return newTunnelKey(path)
	}
	if err != nil {
		return tunnelKey{}, fmt.Errorf("reading a key of the tunnel: %w", err)
	}
	raw, err := base64.StdEncoding.DecodeString(strings.TrimSpace(string(text)))
	var private *ecdh.PrivateKey
	if err == nil {
		private, err = ecdh.X25519().NewPrivateKey(raw)
	}
	if err != nil {
		return tunnelKey{}, command.WithHint(fmt.Errorf("%s: %w", path, err), "remove it, and set up both ends again")
	}
	return tunnelKey{private}, nil
}

func newTunnelKey(path string) (tunnelKey, error) {
	private, err := ecdh.X25519().GenerateKey(rand.Reader)
	if err != nil {
		return tunnelKey{}, err
	}
	key := tunnelKey{private}
	err = os.MkdirAll(filepath.Dir(path), 0o700)
	if err == nil {
		err = atomicfile.Write(path, []byte(key.Private()+"\n"), 0o600, nil)
	}
	if err != nil {
		return tunnelKey{}, fmt.Errorf("keeping a key of the tunnel: %w", err)
	}
	return key, nil
}
