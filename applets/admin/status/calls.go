package status

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"strconv"
	"time"

	"chatmaild/applets/admin/desired"
	"chatmaild/applets/config"
	"chatmaild/applets/iroh/peer"
	"chatmaild/applets/turn/credential"
	"chatmaild/applets/turn/probe"
	"chatmaild/applets/turn/relay"
)

// How long status waits for a TURN server, and for an iroh relay.
const (
	turnTimeout = 5 * time.Second
	irohTimeout = 5 * time.Second
)

// callExaminer looks at the servers that are announced for calls and apps.
type callExaminer struct{ *examiner }

// turn uses the announced TURN server as clients do. An own one is asked on
// this machine; chatmaild test asks it from outside.
func (e callExaminer) turn(ctx context.Context) {
	const part = "calls"
	turn := config.Turn(e.conf)
	if !turn.Announced() {
		return
	}
	server, err := e.turnServer(turn)
	if err != nil {
		e.say(part, trouble, "chatmaild run", "%v", err)
		return
	}
	ctx, cancel := context.WithTimeout(ctx, turnTimeout)
	defer cancel()
	outcome, err := probe.Run(ctx, server, nil)
	private := !relay.Public(outcome.Relayed.Addr())
	switch {
	case err != nil && turn.Own():
		e.say(part, trouble, "journalctl -u chatmaild-turn -n 50", "the TURN server does not work: %v", err)
	case err != nil:
		e.say(part, trouble, "check turn_server and turn_server_secret, or turn = \"off\"", "%s is announced: %v", turn.Address(), err)
	case private && turn.Own():
		e.say(part, notice, "behind NAT, set turn_external_address and forward turn_ports", "relayed ports are at %v, which the internet does not reach", outcome.Relayed.Addr())
	default:
		e.say(part, fine, "", "%s relays by %v", turn.Address(), outcome.Relayed.Addr())
	}
}

// iroh uses the announced iroh relay as clients do. Of an own one it is enough
// that it has not failed: nginx is among the units, and chatmaild test uses it from outside.
func (e callExaminer) iroh(ctx context.Context) {
	const part = "apps"
	iroh := config.Iroh(e.conf)
	switch {
	case iroh.URL() == "":
		return
	case iroh.Own():
		units, err := e.machine.Systemd().Units(ctx, desired.Iroh)
		if err != nil || units[0].Active == "failed" {
			e.say(part, trouble, desired.Look(desired.Iroh), "the iroh relay does not work: %v", cmp.Or(err, errFailed))
		}
		return
	}
	ctx, cancel := context.WithTimeout(ctx, irohTimeout)
	defer cancel()
	dial := func(ctx context.Context, address string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "tcp", address)
	}
	if err := peer.Relays(ctx, iroh.URL(), dial, &tls.Config{}); err != nil {
		e.say(part, trouble, "check iroh_relay; without it the relay has its own", "%s is announced: %v", iroh.URL(), err)
		return
	}
	e.say(part, fine, "", "%s relays", iroh.URL())
}

// errFailed is what systemd says of a daemon that does not start.
var errFailed = errors.New("it has failed")

// turnServer is the server as it is announced to a client.
func (e callExaminer) turnServer(turn config.TURN) (probe.Server, error) {
	text, err := e.machine.ReadFile(turn.Secret())
	if err != nil {
		return probe.Server{}, err
	}
	secret, err := credential.Parse(text)
	if err != nil {
		return probe.Server{}, fmt.Errorf("%s: %w", turn.Secret(), err)
	}
	// By the loopback interface: the public address may be a router's, which does not lead back
	// to this machine.
	server := probe.Server{Host: "127.0.0.1", Port: config.TurnPort}
	if !turn.Own() {
		host, port, err := net.SplitHostPort(turn.Address())
		if err != nil {
			return probe.Server{}, err
		}
		server.Host = host
		if server.Port, err = strconv.Atoi(port); err != nil {
			return probe.Server{}, err
		}
	}
	server.Name, server.Password = secret.Issue("status", time.Now())
	return server, nil
}
