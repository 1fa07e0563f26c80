package selftest

import (
	"context"
	"errors"
	"fmt"

	"chatmaild/applets/admin/remote"
	"chatmaild/applets/turn/probe"
)

// callChecks are about the servers that a relay announces for calls.
func callChecks() []Check {
	return []Check{
		{"turn", Calls, []string{"login-993"}, Always, "the announced TURN server relays what two users send each other",
			"does a firewall let UDP port 3478 and those of turn_ports in? chatmaild firewall, chatmaild status", turnServer},
	}
}

// turnServer uses the server that METADATA names as the clients of two users who call each
// other. A relay that names none promises no calls.
func turnServer(ctx context.Context, s *session) (string, error) {
	const entry = vendor + "turn"
	d, err := s.relay.IMAP(ctx, remote.IMAPS, s.alice.Account)
	if err != nil {
		return "", err
	}
	defer d.Close()
	values, err := d.Metadata("", entry)
	if err != nil {
		return "", err
	}
	if values[entry] == "" {
		return "", errNotPromised
	}
	server, err := probe.Parse(values[entry])
	if err != nil {
		return "", fmt.Errorf("%s: %w", entry, err)
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
