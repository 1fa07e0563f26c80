package lab

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
)

// The lab's networks. Every lab has the same ones: they never meet.
const (
	net4       = "10.77.0.%d"
	net6       = "fd77::%x"
	prefixLen4 = 24
	prefixLen6 = 64
	bridgeAddr = 1
	firstAddr  = 2
	lastAddr   = 250
	machineEnd = 254 // the machine itself, when it is let in
)

// bridgeMAC is the bridge's, so that it stays. Else it would be the least of its
// ports', and change when a station is added: the others know the old one then, and
// what they send to the bridge – questions to the DNS – is lost for up to a minute.
const bridgeMAC = "02:00:00:00:00:01"

const netnsDir = "/run/netns"

func addrs(n int) (v4, v6 netip.Addr) {
	return netip.MustParseAddr(fmt.Sprintf(net4, n)), netip.MustParseAddr(fmt.Sprintf(net6, n))
}

func netnsPath(name string) string { return filepath.Join(netnsDir, name) }

// localNet is the network of a lab that has none of its own: all of 127.0.0.0/8 is this
// machine. There is only ::1 of IPv6.
const localNet = "127.77.0.%d"

// addrs are a station's addresses; the second is not valid where there is no IPv6.
func (l *Lab) addrs(n int) (v4, v6 netip.Addr) {
	if l.way == Directory {
		return netip.MustParseAddr(fmt.Sprintf(localNet, n)), netip.Addr{}
	}
	return addrs(n)
}

// bridge is the namespace of the bridge, "" for this machine's own.
func (l *Lab) bridge() string {
	if l.way == Directory {
		return ""
	}
	return l.id + "-br"
}

func (l *Lab) addBridge(ctx context.Context) error {
	if l.way == Directory {
		return nil
	}
	v4, v6 := addrs(bridgeAddr)
	return ipBatch(ctx,
		"netns add "+l.bridge(),
		"-n "+l.bridge()+" link set lo up",
		"-n "+l.bridge()+" link add br0 address "+bridgeMAC+" type bridge forward_delay 0",
		"-n "+l.bridge()+" link set br0 up",
		fmt.Sprintf("-n %s addr add %v/%d dev br0", l.bridge(), v4, prefixLen4),
		fmt.Sprintf("-n %s addr add %v/%d dev br0 nodad", l.bridge(), v6, prefixLen6),
	)
}

// ipBatch runs ip(8) once for each line and stops at the first that fails.
func ipBatch(ctx context.Context, lines ...string) error {
	for _, line := range lines {
		if _, err := run(ctx, "ip", strings.Fields(line)...); err != nil {
			return err
		}
	}
	return nil
}

// removeNetwork deletes every namespace of a run; the interfaces go with them.
func removeNetwork(ctx context.Context, id string) error {
	entries, err := os.ReadDir(netnsDir)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	var errs []error
	for _, e := range entries {
		if strings.HasPrefix(e.Name(), id+"-") {
			errs = append(errs, ipBatch(ctx, "netns del "+e.Name()))
		}
	}
	return errors.Join(errs...)
}
