// Package probe proves a TURN server from outside, as two users who call each other use
// it: an allocation and a permission for each of them, and data both ways (RFC 8656).
package probe

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strconv"
	"strings"
	"time"

	"github.com/pion/turn/v5"

	"chatmaild/applets/turn/quiet"
)

// Server is a TURN server, with credentials for it.
type Server struct {
	Host           string // a name or an address
	Port           int
	Name, Password string
}

// Parse reads a server as METADATA announces it, "host:port:expiry:password"
// (chatmail/core, src/calls.rs).
func Parse(text string) (Server, error) {
	fields := strings.SplitN(text, ":", 4)
	if len(fields) < 4 || fields[0] == "" || fields[2] == "" || fields[3] == "" {
		return Server{}, errors.New("want host:port:expiry:password")
	}
	port, err := strconv.ParseUint(fields[1], 10, 16)
	if err != nil || port == 0 {
		return Server{}, fmt.Errorf("port %q: want a number from 1 to 65535", fields[1])
	}
	return Server{fields[0], int(port), fields[2], fields[3]}, nil
}

// Outcome is what a server proved.
type Outcome struct {
	Relayed netip.AddrPort // of the first of the two allocations
	Took    time.Duration  // of a packet through both relayed addresses, and back
	// Outside reports whether a packet from this machine's own address reached a relayed
	// one, which a firewall may keep it from. It is false as well if the server lets nobody
	// reach this machine: in a private network, or on the server's own address.
	Outside bool
}

// ErrOutside says that the server relays between its own allocations, and that packets
// from elsewhere do not reach them.
var ErrOutside = errors.New("packets from outside do not reach the relayed ports")

const (
	stepLimit   = 10 * time.Second // for all that the server answers
	dataLimit   = 3 * time.Second  // for packets, which may get lost
	retryPeriod = 250 * time.Millisecond
)

// Run proves a server by UDP, as clients use it. It takes some 10 s at most.
func Run(ctx context.Context, server Server, resolver *net.Resolver) (Outcome, error) {
	ctx, cancel := context.WithTimeout(ctx, stepLimit)
	defer cancel()
	at, err := lookUp(ctx, server, resolver)
	if err != nil {
		return Outcome{}, err
	}
	var ends [2]net.PacketConn
	for i := range ends {
		conn, err := listen(at)
		if err != nil {
			return Outcome{}, err
		}
		// Nothing that waits for the server outlasts the context.
		stop := context.AfterFunc(ctx, func() { conn.Close() })
		defer func() { stop(); conn.Close() }()
		client, err := turn.NewClient(&turn.ClientConfig{
			STUNServerAddr: at.String(), TURNServerAddr: at.String(), Conn: conn,
			Username: server.Name, Password: server.Password, LoggerFactory: quiet.Logger{},
		})
		if err != nil {
			return Outcome{}, err
		}
		defer client.Close()
		if err := client.Listen(); err != nil {
			return Outcome{}, err
		}
		if ends[i], err = client.AllocateWithContext(ctx); err != nil {
			return Outcome{}, fmt.Errorf("allocation: %w", err)
		}
		defer ends[i].Close()
	}
	took, err := exchange(ctx, ends)
	if err != nil {
		return Outcome{}, err
	}
	relayed, ok := ends[0].LocalAddr().(*net.UDPAddr)
	if !ok {
		return Outcome{}, fmt.Errorf("%v is not a relayed address of UDP", ends[0].LocalAddr())
	}
	outcome := Outcome{Relayed: relayed.AddrPort(), Took: took}
	outcome.Outside, err = outside(ctx, at, ends[0])
	return outcome, err
}

// lookUp prefers IPv4: clients that ask for no family of relayed addresses get that.
func lookUp(ctx context.Context, server Server, resolver *net.Resolver) (netip.AddrPort, error) {
	if resolver == nil {
		resolver = net.DefaultResolver
	}
	found, err := resolver.LookupNetIP(ctx, "ip", server.Host)
	if err != nil {
		return netip.AddrPort{}, err
	}
	best := found[0].Unmap()
	for _, addr := range found {
		if addr = addr.Unmap(); addr.Is4() {
			best = addr
			break
		}
	}
	return netip.AddrPortFrom(best, uint16(server.Port)), nil
}

// listen opens a port of the server's family: the library asks for relayed addresses of
// the same.
func listen(server netip.AddrPort) (net.PacketConn, error) {
	if server.Addr().Is4() {
		return net.ListenPacket("udp4", "")
	}
	return net.ListenPacket("udp6", "")
}

// exchange sends a packet from each relayed address to the other. The first one of each
// opens its own side, and gets lost while the other side is closed.
func exchange(ctx context.Context, ends [2]net.PacketConn) (time.Duration, error) {
	for _, from := range []int{0, 1} {
		// Making the permission, which WriteTo does, has the server's answer as its error.
		if _, err := ends[from].WriteTo([]byte("open"), ends[1-from].LocalAddr()); err != nil {
			return 0, fmt.Errorf("permission: %w", err)
		}
	}
	start := time.Now()
	for _, from := range []int{0, 1} {
		there := ends[1-from].LocalAddr()
		send := func() error { _, err := ends[from].WriteTo([]byte("data"), there); return err }
		if err := await(ctx, ends[1-from], "data", send); err != nil {
			return 0, fmt.Errorf("data between two allocations: %w", err)
		}
	}
	return time.Since(start), nil
}

// await sends again and again until the text arrives.
func await(ctx context.Context, at net.PacketConn, text string, send func() error) error {
	buf := make([]byte, 64)
	for end := time.Now().Add(dataLimit); ; {
		if err := send(); err != nil {
			return err
		}
		for next := time.Now().Add(retryPeriod); ; {
			if err := at.SetReadDeadline(next); err != nil {
				return err
			}
			n, _, err := at.ReadFrom(buf)
			if err == nil && string(buf[:n]) == text {
				return nil
			}
			if err != nil {
				break
			}
		}
		if err := ctx.Err(); err != nil {
			return err
		}
		if time.Now().After(end) {
			return fmt.Errorf("none arrived within %v", dataLimit)
		}
	}
}
