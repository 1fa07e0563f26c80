package selftest

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"time"

	"chatmaild/applets/admin/remote"
	"chatmaild/applets/iroh/peer"
	"chatmaild/applets/turn/probe"
)

// callChecks are about the servers that a relay announces for calls and apps.
func callChecks() []Check {
	return []Check{
		{"iroh", Calls, []string{"metadata", "certificate-443"}, Always, "the announced iroh relay passes on what two apps send each other",
			"journalctl -u chatmaild-iroh -u nginx -u chatmaild-maillog -n 50; another relay's: iroh_relay in the configuration", irohRelay},
		{"turn", Calls, []string{"metadata"}, Always, "the announced TURN server relays what two users send each other",
			"does a firewall let UDP port 3478 and those of turn_ports in? chatmaild firewall, chatmaild status", turnServer},
	}
}

// turnServer uses the server that METADATA names as the clients of two users who call each
// other. A relay that names none promises no calls.
func turnServer(ctx context.Context, s *session) (string, error) {
	value, err := announced(ctx, s, "turn")
	if err != nil {
		return "", err
	}
	// The value has the password of this account for some days, as clients get it.
	server, err := probe.Parse(value)
	if err != nil {
		return "", fmt.Errorf("%sturn: %w", vendor, err)
	}
	outcome, err := probe.Run(ctx, server, s.relay.Records())
	switch {
	case errors.Is(err, probe.ErrOutside):
		return "", advise(fmt.Errorf("%s:%d relays, but %w", server.Host, server.Port, err),
			"let the UDP ports of turn_ports in (chatmaild firewall); behind NAT also set turn_external_address")
	case err != nil:
		return "", fmt.Errorf("%s:%d is announced: %w", server.Host, server.Port, err)
	}
	seen := fmt.Sprintf("data both ways in %d ms by %v", outcome.Took.Milliseconds(), outcome.Relayed.Addr())
	if outcome.Outside {
		seen += ", reachable from here"
	}
	return seen, nil
}

// announced is an entry of METADATA that clients go by. A relay without it promises nothing.
func announced(ctx context.Context, s *session, entry string) (string, error) {
	d, err := s.relay.IMAP(ctx, remote.IMAPS, s.alice.Account)
	if err != nil {
		return "", err
	}
	defer d.Close()
	values, err := d.Metadata("", vendor+entry)
	if err == nil && values[vendor+entry] == "" {
		err = errNotPromised
	}
	return values[vendor+entry], err
}

// irohRelay is two clients of the relay that METADATA names. They want to see a
// certificate of an authority, whatever name the relay has.
func irohRelay(ctx context.Context, s *session) (string, error) {
	relay, err := announced(ctx, s, "irohrelay")
	if err != nil {
		return "", err
	}
	start := time.Now()
	config := &tls.Config{RootCAs: s.relay.Roots, InsecureSkipVerify: s.relay.Insecure}
	if err := peer.Relays(ctx, relay, s.relay.ConnectTo, config); err != nil {
		return "", fmt.Errorf("%s is announced: %w", relay, err)
	}
	return fmt.Sprintf("data both ways in %d ms by %s", time.Since(start).Milliseconds(), relay), nil
}
