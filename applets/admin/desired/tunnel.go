package desired

import (
	"fmt"
	"net/netip"
	"strings"

	"chatmaild/applets/config"
)

// The end here of a tunnel to a machine in front of the relay, which "chatmaild
// proxy-config --wireguard" makes: its interface, and the file of wg-quick(8).
const (
	TunnelInterface = "chatmail"
	TunnelConfig    = "/etc/wireguard/" + TunnelInterface + ".conf"
)

// The network that the machines of a relay make themselves, by WireGuard, where they have none:
// its interface, and the port, UDP, by which they reach each other.
const (
	MeshInterface = "chatmail-mesh"
	MeshPort      = 51821
)

// MeshNetwork has an address for each of them.
var MeshNetwork = netip.MustParsePrefix("10.177.44.0/24")

// DatagramPorts are the UDP ports that others reach: those of calls, and that of the network of
// the machines; as CallPorts has them.
func DatagramPorts(conf *config.Config) string {
	calls := CallPorts(conf)
	switch {
	case !MeshNetwork.Contains(config.Self(conf).Addr):
		return calls
	case calls == "":
		return fmt.Sprintf("{ %d }", MeshPort)
	}
	return fmt.Sprintf("{ %d, %s", MeshPort, strings.TrimPrefix(calls, "{ "))
}
