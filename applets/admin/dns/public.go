package dns

import (
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/netip"
	"os"
	"slices"
	"strconv"
	"strings"

	"chatmaild/applets/turn/relay"
)

// publicAddresses returns those of a machine's addresses that the world can reach. A
// machine behind a router knows none, and then any record will do.
func publicAddresses(interfaces []net.Addr) (v4, v6 []netip.Addr) {
	for _, a := range interfaces {
		prefix, err := netip.ParsePrefix(a.String())
		if err != nil {
			continue
		}
		switch addr := prefix.Addr().Unmap(); {
		case !relay.Public(addr):
		case addr.Is4():
			v4 = append(v4, addr)
		default:
			v6 = append(v6, addr)
		}
	}
	return v4, v6
}

// readTemporary returns the addresses that the system replaces from time to time.
func readTemporary() ([]netip.Addr, error) {
	text, err := os.ReadFile("/proc/net/if_inet6")
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil // a kernel without IPv6
	}
	if err != nil {
		return nil, fmt.Errorf("asking for this machine's temporary addresses: %w", err)
	}
	return parseTemporary(string(text)), nil
}

// temporaryFlag is IFA_F_TEMPORARY of linux/if_addr.h.
const temporaryFlag = 0x01

// parseTemporary reads lines of an address, the index of its interface, the length of its
// prefix, its scope, its flags, all in hexadecimal, and a name.
func parseTemporary(text string) (found []netip.Addr) {
	for line := range strings.Lines(text) {
		fields := strings.Fields(line)
		if len(fields) != 6 {
			continue
		}
		raw, err1 := hex.DecodeString(fields[0])
		flags, err2 := strconv.ParseUint(fields[4], 16, 32)
		addr, ok := netip.AddrFromSlice(raw)
		if err1 == nil && err2 == nil && ok && flags&temporaryFlag != 0 && relay.Public(addr) {
			found = append(found, addr)
		}
	}
	return found
}

// lasting are addresses without those that are temporary.
func lasting(addrs, temporary []netip.Addr) []netip.Addr {
	return slices.DeleteFunc(addrs, func(a netip.Addr) bool { return slices.Contains(temporary, a) })
}
