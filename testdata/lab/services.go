package lab

import (
	"context"
	"fmt"
	"strings"
	"time"
)

// processPoll is how often we look for processes on a host.
const processPoll = 500 * time.Millisecond

// Services lists the units of the relay that run: ours, and those of the
// programs that we set up.
func (r *Relay) Services(ctx context.Context) ([]string, error) {
	out, err := r.Run(ctx, "systemctl", "list-units", "--type=service", "--state=running", "--plain", "--no-legend",
		"chatmaild-*", r.PostfixUnit(), "dovecot.service", "nginx.service")
	if err != nil {
		return nil, err
	}
	var units []string
	for line := range strings.Lines(out) {
		if fields := strings.Fields(line); len(fields) > 0 {
			units = append(units, fields[0])
		}
	}
	return units, nil
}

// WaitHibernated waits until every IMAP session waits in Dovecot's
// imap-hibernate, so that no imap process is left.
func (r *Relay) WaitHibernated(ctx context.Context) error {
	for {
		res, err := r.Exec(ctx, nil, "pgrep", "--exact", "imap")
		switch {
		case err != nil:
			return err
		case res.Code == 1:
			return nil
		case res.Code != 0:
			return res.Failure("pgrep", nil)
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("waiting for hibernation: %w; imap processes: %s", ctx.Err(), strings.Fields(res.Stdout))
		case <-time.After(processPoll):
		}
	}
}
