package membership

import (
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io/fs"
	"net/netip"
	"path/filepath"
	"strconv"
	"strings"

	"chatmaild/applets/admin/desired"
	"chatmaild/applets/admin/host"
	"chatmaild/applets/admin/wireguard"
	"chatmaild/applets/command"
	"chatmaild/applets/config"
	"chatmaild/store/directory/postgres"
)

// The network that the machines make themselves where they have none: WireGuard's, with an
// address of this prefix for each. (desired.TunnelInterface is another one, to a machine in
// front of the relay.)
const (
	meshInterface = desired.MeshInterface
	meshConfig    = "/etc/wireguard/" + meshInterface + ".conf"
	meshUnit      = "wg-quick@" + meshInterface + ".service"
)

// meshKey reads this machine's key, and makes it if there is none.
func meshKey(machine host.Host) (wireguard.Key, error) {
	return wireguard.Load(filepath.Join(machine.Root, wireguard.Keys, "machines.key"))
}

// NewPeer is this machine as a new end of that network: called as its host, with the first
// address that is free, and reached by a public address of its own, unless it is told.
func NewPeer(machine host.Host, name, endpoint string, others []config.Member) (postgres.Peer, error) {
	if !machine.IsFile("/usr/bin/wg-quick") {
		return postgres.Peer{}, command.WithHint(errors.New("WireGuard's tools are not installed"), "apt install wireguard-tools")
	}
	at, err := reached(endpoint)
	if err != nil {
		return postgres.Peer{}, err
	}
	addr, err := free(others)
	if err != nil {
		return postgres.Peer{}, err
	}
	m, err := Self(name, addr.String(), others)
	if err != nil {
		return postgres.Peer{}, err
	}
	key, err := meshKey(machine)
	return postgres.Peer{Member: m, Key: key.Public(), Endpoint: at}, err
}

// reached is an endpoint: ADDRESS, or ADDRESS:PORT, or this machine's public address.
func reached(endpoint string) (string, error) {
	if at, err := netip.ParseAddrPort(endpoint); err == nil {
		return at.String(), nil
	}
	if endpoint != "" {
		addr, err := netip.ParseAddr(endpoint)
		if err != nil {
			return "", command.Usagef("--endpoint %s: want an address by which the other machines reach this one, maybe with a UDP port", endpoint)
		}
		return netip.AddrPortFrom(addr, desired.MeshPort).String(), nil
	}
	addrs, err := host.Addresses()
	if err != nil {
		return "", err
	}
	for _, addr := range addrs {
		if addr.Is4() && addr.IsGlobalUnicast() && !addr.IsPrivate() {
			return netip.AddrPortFrom(addr, desired.MeshPort).String(), nil
		}
	}
	return "", command.Usagef("this machine has no public IPv4 address: say by --endpoint how the other machines reach it")
}

// free returns an address of the network that no machine has.
func free(others []config.Member) (netip.Addr, error) {
	taken := map[netip.Addr]bool{}
	for _, m := range others {
		taken[m.Addr] = true
	}
	for addr := desired.MeshNetwork.Addr().Next(); desired.MeshNetwork.Contains(addr); addr = addr.Next() {
		if !taken[addr] {
			return addr, nil
		}
	}
	return netip.Addr{}, fmt.Errorf("%v is full", desired.MeshNetwork)
}

// ParsePeer reads "NAME ADDRESS", and maybe "KEY ENDPOINT" after that, as join sends it.
func ParsePeer(text string) (p postgres.Peer, err error) {
	words := strings.Fields(text)
	if len(words) != 2 && len(words) != 4 {
		return p, errors.New("want NAME ADDRESS, and maybe KEY ENDPOINT")
	}
	if p.Member, err = config.ParseMember(words[0] + " " + words[1]); err != nil || len(words) == 2 {
		return p, err
	}
	// They go into a file that wg-quick(8) reads.
	key, keyErr := base64.StdEncoding.DecodeString(words[2])
	at, err := netip.ParseAddrPort(words[3])
	if err != nil || keyErr != nil || len(key) != 32 {
		return p, fmt.Errorf("%q: want a key and an endpoint of WireGuard's", words[2]+" "+words[3])
	}
	p.Key, p.Endpoint = words[2], at.String()
	return p, nil
}

// PeerText is the inverse of ParsePeer.
func PeerText(p postgres.Peer) string {
	return strings.TrimSpace(p.Name + " " + p.Addr.String() + " " + p.Key + " " + p.Endpoint)
}

// meshText is the configuration of wg-quick(8) of one of the machines.
func meshText(key wireguard.Key, self postgres.Peer, all []postgres.Peer) []byte {
	var b bytes.Buffer
	port := uint16(desired.MeshPort)
	if at, err := netip.ParseAddrPort(self.Endpoint); err == nil {
		port = at.Port()
	}
	fmt.Fprintf(&b, "# The network of the relay's machines: chatmaild-cluster(7). Written by chatmaild.\n[Interface]\nAddress = %v/%d\nListenPort = %s\nPrivateKey = %s\n",
		self.Addr, desired.MeshNetwork.Bits(), strconv.Itoa(int(port)), key.Private())
	for _, p := range all {
		if p.Name != self.Name {
			fmt.Fprintf(&b, "\n# %s\n[Peer]\nPublicKey = %s\nEndpoint = %s\nAllowedIPs = %v/32\nPersistentKeepalive = 25\n", p.Name, p.Key, p.Endpoint, p.Addr)
		}
	}
	return b.Bytes()
}

// Mesh has this machine be one of that network, with these ends. The interface stays up, and
// connections through it too, when others come or go.
func (h *Here) Mesh(ctx context.Context, self postgres.Peer, all []postgres.Peer) error {
	key, err := meshKey(h.Machine)
	if err != nil {
		return err
	}
	file := desired.File{Path: meshConfig, Content: meshText(key, self, all), Mode: 0o600, Owner: "root", Group: "root", Secret: true}
	text, err := h.Machine.ReadFile(meshConfig)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("reading WireGuard's configuration: %w", err)
	}
	changed := !bytes.Equal(text, file.Content)
	if changed {
		if err := h.Machine.Write(file); err != nil {
			return err
		}
	}
	units, err := h.Machine.Systemd().Units(ctx, meshUnit)
	if err != nil {
		return err
	}
	switch u := units[0]; {
	case u.Active != "active":
		if err := h.Machine.Systemd().Systemctl(ctx, "enable", meshUnit); err != nil {
			return err
		}
		if err := h.Machine.Systemd().Systemctl(ctx, "restart", meshUnit); err != nil {
			return command.WithHint(fmt.Errorf("WireGuard's interface does not start: %w", err),
				"a kernel without WireGuard needs wireguard-go, or another private network, with --address; %s", desired.Look(meshUnit))
		}
	case changed:
		return h.Machine.Systemd().Systemctl(ctx, "reload", meshUnit)
	}
	return nil
}

// FollowMesh is Mesh by what the directory says, if this machine is one of that network.
func (h *Here) FollowMesh(ctx context.Context, all []postgres.Peer) error {
	for _, p := range all {
		if p.Name == h.Conf.Cluster.Name {
			return h.Mesh(ctx, p, all)
		}
	}
	return nil
}
