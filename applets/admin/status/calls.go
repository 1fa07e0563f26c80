package status

import (
	"context"
	"fmt"
	"net"
	"strconv"
	"time"

	"chatmaild/applets/config"
	"chatmaild/applets/turn/credential"
	"chatmaild/applets/turn/probe"
	"chatmaild/applets/turn/relay"
)

// turnTimeout is how long status waits for a TURN server.
const turnTimeout = 5 * time.Second

// callExaminer looks at the servers that clients are told of for calls.
type callExaminer struct{ *examiner }

// turn uses the TURN server that clients are told of, as they do. An own one is asked on
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

// turnServer is the server as a client is told of it.
func (e callExaminer) turnServer(turn config.TURN) (probe.Server, error) {
	text, err := e.machine.ReadFile(turn.Secret())
	if err != nil {
		return probe.Server{}, err
	}
	secret, err := credential.Parse(text)
	if err != nil {
		return probe.Server{}, fmt.Errorf("%s: %w", turn.Secret(), err)
	}
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
