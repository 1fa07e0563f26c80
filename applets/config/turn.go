package config

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"path/filepath"
	"strconv"
	"strings"
)

// TurnPort is where clients reach the TURN server (RFC 8656 §4).
const TurnPort = 3478

// minTurnBandwidth is what a call with sound alone needs, in bytes a second.
const minTurnBandwidth = 16 << 10

// TURN is what follows from the keys of the TURN server.
type TURN struct{ conf *Config }

// Turn is what follows from those of c.
func Turn(c *Config) TURN { return TURN{c} }

// Announced reports whether clients are informed of a TURN server. A relay at an IPv6
// address has none of its own: clients take what follows the first colon for the port
// (chatmail/core, src/calls.rs). A hidden one shows none.
func (t TURN) Announced() bool {
	addr, literal := t.conf.Literal()
	return t.conf.Turn == "on" && (t.conf.TurnServer != "" || !t.conf.Hidden && (!literal || addr.Is4()))
}

// Own reports whether that is the relay's own.
func (t TURN) Own() bool { return t.Announced() && t.conf.TurnServer == "" }

// Dir is the directory of the secrets that TURN credentials are made with.
func (t TURN) Dir() string { return filepath.Join(t.conf.StateDir, "turn") }

// Secret is the file with the secret of our own server, or of the one that
// turn_server names.
func (t TURN) Secret() string {
	if t.conf.TurnServer != "" {
		return filepath.Join(t.Dir(), "server-secret")
	}
	return filepath.Join(t.Dir(), "secret")
}

// Address is the server as clients are informed of it, host:port.
func (t TURN) Address() string {
	if t.conf.TurnServer != "" {
		return t.conf.TurnServer
	}
	return fmt.Sprintf("%s:%d", Host(t.conf), TurnPort)
}

// Ports are the ports of relayed addresses. They are as many as there can be
// allocations.
func (t TURN) Ports() (first, last int) {
	first, last, _ = parsePorts(t.conf.TurnPorts)
	return first, last
}

// External are the addresses by which the outside reaches relayed ports; where one
// is missing it is the machine's own.
func (t TURN) External() []netip.Addr {
	var addrs []netip.Addr
	for _, text := range t.conf.TurnExternalAddress {
		if addr, err := netip.ParseAddr(text); err == nil {
			addrs = append(addrs, addr)
		}
	}
	return addrs
}

// OnDemandDaemons are those of TellingDaemons' kind that run only while they are used.
func OnDemandDaemons(c *Config) []string {
	var names []string
	if Turn(c).Own() {
		names = append(names, "turn")
	}
	if Iroh(c).Own() {
		names = append(names, "iroh")
	}
	if c.Websocket {
		names = append(names, "websocket")
	}
	return names
}

func parsePorts(text string) (first, last int, err error) {
	low, high, ok := strings.Cut(text, "-")
	first, err1 := strconv.Atoi(low)
	last, err2 := strconv.Atoi(high)
	if !ok || err1 != nil || err2 != nil {
		return 0, 0, fmt.Errorf("%q: want a range of ports such as 61000-61999", text)
	}
	return first, last, nil
}

// checkTurnPorts leaves out the ports below 1024, and those of our own servers.
func checkTurnPorts(c *Config) error {
	first, last, err := parsePorts(c.TurnPorts)
	if err != nil {
		return err
	}
	if err := between(first, 1024, 65535); err != nil {
		return err
	}
	if err := between(last, first, 65535); err != nil {
		return err
	}
	for _, p := range []int{
		TurnPort, c.FiltermailSMTPPort, c.FiltermailSMTPPortIncoming, c.PostfixReinjectPort, c.PostfixReinjectPortIncoming,
	} {
		if first <= p && p <= last {
			return fmt.Errorf("%q has port %d, which another server of the relay uses", c.TurnPorts, p)
		}
	}
	return nil
}

// checkExternal wants one address of a family at most.
func checkExternal(list []string) error {
	if err := checkAddresses(list); err != nil {
		return err
	}
	if len(list) > 2 || len(list) == 2 && netip.MustParseAddr(list[0]).Is4() == netip.MustParseAddr(list[1]).Is4() {
		return fmt.Errorf("%q: want one IPv4 and one IPv6 address at most", list)
	}
	return nil
}

// checkTurnServer refuses IPv6 addresses: clients take what follows the first colon for
// the port (chatmail/core, src/calls.rs).
func checkTurnServer(server string) error {
	host, port, err := net.SplitHostPort(server)
	n, portErr := strconv.Atoi(port)
	if err != nil || portErr != nil || between(n, 1, 65535) != nil || host == "" || strings.ContainsAny(host, " /[]:") {
		return fmt.Errorf("%q: want a server such as turn.example.org:3478", server)
	}
	return nil
}

// checkTurnSecret wants a secret for a server, and no secret without one.
func checkTurnSecret(c *Config) error {
	switch {
	case c.TurnServer == "" && c.TurnServerSecret == "":
		return nil
	case c.TurnServer == "":
		return fmt.Errorf("%q is for a server: want turn_server too", c.TurnServerSecret)
	case c.TurnServerSecret == "":
		return errors.New("is empty: want the file with the secret of turn_server (static-auth-secret of coturn)")
	}
	return absolute(c.TurnServerSecret)
}
