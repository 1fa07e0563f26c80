// Package network is what the lab's machines meet on: a bridge in a network namespace of its
// own, a name server on it, and a [Station] for each machine. Nothing leads out of it.
package network

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"sync"

	"chatmaild/testdata/kit/nameserver"
	"chatmaild/testdata/lab/program"
)

// The lab's networks. Every lab has the same ones: they never meet.
const (
	net4       = "10.77.0.%d"
	net6       = "fd77::%x"
	bridgeAddr = 1
	firstAddr  = 2
	lastAddr   = 250
	machineEnd = 254 // the machine itself, when it is let in
)

// bridgeMAC is the bridge's, so that it stays. Else it would be the least of its
// ports', and change when a station is added: the others know the old one then, and
// what they send to the bridge – questions to the DNS – is lost for up to a minute.
const bridgeMAC = "02:00:00:00:00:01"

// The lengths of the prefixes of its addresses.
const (
	PrefixLen4 = 24
	PrefixLen6 = 64
)

const netnsDir = "/run/netns"

// A Network is one bridge with its name server and stations. Its methods may be called from
// several goroutines.
type Network struct {
	// ID begins the name of everything that is the network's alone.
	ID string
	// Zone is what the name server answers; all other names are NXDOMAIN at once.
	Zone *nameserver.Zone

	local bool // without a bridge and namespaces
	dns   []*nameserver.Server

	mu     sync.Mutex
	next   int            // last byte of the next address
	beside []netip.Prefix // of Open
}

// New adds a network to the machine. Close ends its name server; Remove takes it away.
func New(ctx context.Context, id string) (*Network, error) {
	n := &Network{ID: id, Zone: nameserver.NewZone(), next: firstAddr}
	v4, v6 := Resolver()
	err := ipBatch(ctx,
		"netns add "+n.bridge(),
		"-n "+n.bridge()+" link set lo up",
		"-n "+n.bridge()+" link add br0 address "+bridgeMAC+" type bridge forward_delay 0",
		"-n "+n.bridge()+" link set br0 up",
		fmt.Sprintf("-n %s addr add %v/%d dev br0", n.bridge(), v4, PrefixLen4),
		fmt.Sprintf("-n %s addr add %v/%d dev br0 nodad", n.bridge(), v6, PrefixLen6),
	)
	if err == nil {
		err = n.startDNS()
	}
	if err != nil {
		return nil, fmt.Errorf("making the lab's bridge: %w", errors.Join(err, Remove(ctx, id)))
	}
	return n, nil
}

// localNet is the network of stations without namespaces: all of 127.0.0.0/8 is this
// machine. There is only ::1 of IPv6.
const localNet = "127.77.0.%d"

// NewLocal is New where no namespaces can be made: its stations are addresses of this machine.
func NewLocal(id string) (*Network, error) {
	n := &Network{ID: id, Zone: nameserver.NewZone(), next: firstAddr, local: true}
	if err := n.startDNS(); err != nil {
		return nil, fmt.Errorf("starting the lab's name server: %w", errors.Join(err, n.Close()))
	}
	return n, nil
}

// addresses are a station's; the second is not valid where there is no IPv6.
func (n *Network) addresses(number int) (v4, v6 netip.Addr) {
	if n.local {
		return netip.MustParseAddr(fmt.Sprintf(localNet, number)), netip.Addr{}
	}
	return addresses(number)
}

// Resolver is the addresses of the bridge, where a network's name server answers.
func Resolver() (v4, v6 netip.Addr) { return addresses(bridgeAddr) }

func addresses(n int) (v4, v6 netip.Addr) {
	return netip.MustParseAddr(fmt.Sprintf(net4, n)), netip.MustParseAddr(fmt.Sprintf(net6, n))
}

// bridge is the name of the bridge's namespace.
func (n *Network) bridge() string { return n.ID + "-br" }

// Bridge is the bridge itself as a station: what is done in its namespace.
func (n *Network) Bridge() Station {
	v4, v6 := n.addresses(bridgeAddr)
	s := Station{IPv4: v4, IPv6: v6, Zone: n.Zone}
	if !n.local {
		s.Netns = n.bridge()
	}
	return s
}

// Namespaces is the pattern of the paths of all namespaces of a network.
func Namespaces(id string) string { return filepath.Join(netnsDir, id+"-*") }

// Remove deletes every namespace of a network; the interfaces go with them.
func Remove(ctx context.Context, id string) error {
	paths, err := filepath.Glob(Namespaces(id))
	errs := []error{err}
	for _, path := range paths {
		errs = append(errs, ipBatch(ctx, "netns del "+filepath.Base(path)))
	}
	return errors.Join(errs...)
}

// Open has the bridge, and all stations that come later, find the addresses of a network
// on the bridge, too. The lab's own addresses are private ones: a public one is needed where
// a program tells them apart.
func (n *Network) Open(ctx context.Context, beside netip.Prefix) error {
	n.mu.Lock()
	n.beside = append(n.beside, beside)
	n.mu.Unlock()
	return ipBatch(ctx, fmt.Sprintf("-n %s route add %v dev br0", n.bridge(), beside))
}

// LetMachineIn gives this machine itself a leg in the network, so that a browser
// here reaches the hosts. Only one network at a time can have that.
func (n *Network) LetMachineIn(ctx context.Context) error {
	if n.local {
		return nil // the stations are this machine
	}
	v4, v6 := addresses(machineEnd)
	name := "labveth" // in the machine's namespace; goes with its peer
	return ipBatch(ctx,
		fmt.Sprintf("-n %s link add v%d type veth peer name %s", n.bridge(), machineEnd, name),
		fmt.Sprintf("-n %s link set %s netns %d", n.bridge(), name, os.Getpid()),
		fmt.Sprintf("-n %s link set v%d master br0 up", n.bridge(), machineEnd),
		fmt.Sprintf("addr add %v/%d dev %s", v4, PrefixLen4, name),
		fmt.Sprintf("addr add %v/%d dev %s nodad", v6, PrefixLen6, name),
		"link set "+name+" up",
	)
}

// AddTap puts a virtual machine's interface on the bridge, in the place of a station's own
// leg: both have the same addresses.
func (n *Network) AddTap(ctx context.Context, s Station) error {
	return ipBatch(ctx,
		"-n "+s.Netns+" link set eth0 down",
		"-n "+n.bridge()+" tuntap add "+s.Tap()+" mode tap",
		"-n "+n.bridge()+" link set "+s.Tap()+" master br0 up",
		"-n "+n.bridge()+" neigh flush dev br0",
	)
}

// Close ends the name server.
func (n *Network) Close() error {
	var errs []error
	for _, s := range n.dns {
		errs = append(errs, s.Close())
	}
	return errors.Join(errs...)
}

// ipBatch runs ip(8) once for each line and stops at the first that fails.
func ipBatch(ctx context.Context, lines ...string) error {
	for _, line := range lines {
		if _, err := program.Run(ctx, "ip", strings.Fields(line)...); err != nil {
			return err
		}
	}
	return nil
}
