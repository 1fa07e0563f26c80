package host

import (
	"context"
	"fmt"
)

// CheckConfigs asks each server whether it takes its configuration, before any
// of them is restarted. The error says which does not, and why.
func (h Host) CheckConfigs(ctx context.Context) error {
	// Each parses its whole configuration without starting; nginx -t reads the certificates,
	// too.
	checks := []struct {
		server  string
		command []string
	}{
		{"Postfix", []string{"/usr/sbin/postfix", "check"}},
		{"Dovecot", []string{"/usr/bin/doveconf", "-n"}},
		{"nginx", []string{"/usr/sbin/nginx", "-t", "-q"}},
	}
	for _, c := range checks {
		if _, err := h.run(ctx, c.command[0], c.command[1:]...); err != nil {
			return fmt.Errorf("%s rejects its configuration: %w", c.server, err)
		}
	}
	return nil
}
