package host

import (
	"context"
	"fmt"
	"path/filepath"
	"time"
)

const (
	// drainTimeout is how long messages that were accepted may take to be delivered
	// before Postfix stops.
	drainTimeout = 10 * time.Second
	drainPoll    = 100 * time.Millisecond

	mainConfig = "/etc/postfix/main.cf"
)

// DrainMail has Postfix accept nothing more and waits, for some seconds, until it has
// tried to deliver what it has. What is left waits in the queue. It stays so until
// main.cf is written anew.
func (h Host) DrainMail(ctx context.Context) error {
	if _, err := h.run(ctx, "/usr/sbin/postconf", "-e", "master_service_disable=inet"); err != nil {
		return fmt.Errorf("closing Postfix's ports: %w", err)
	}
	// reload lets sessions end that are under way.
	if _, err := h.run(ctx, "/usr/sbin/postfix", "reload"); err != nil {
		return fmt.Errorf("closing Postfix's ports: %w", err)
	}
	enough, cancel := context.WithTimeout(ctx, drainTimeout)
	defer cancel()
	for {
		waiting := 0
		for _, queue := range []string{"maildrop", "incoming", "active"} {
			names, err := filepath.Glob(h.path("/var/spool/postfix/" + queue + "/*"))
			if err != nil {
				return err
			}
			waiting += len(names)
		}
		if waiting == 0 {
			return nil
		}
		select {
		case <-enough.Done():
			return ctx.Err()
		case <-time.After(drainPoll):
		}
	}
}

// HoldMail keeps what is in Postfix's queue from being sent; "postsuper -H ALL" takes
// that back. Postfix may be off; where it was never set up it sends nothing anyway.
func (h Host) HoldMail(ctx context.Context) error {
	if there, err := h.Exists(mainConfig); err != nil || !there {
		return err
	}
	if _, err := h.run(ctx, "/usr/sbin/postsuper", "-h", "ALL"); err != nil {
		return fmt.Errorf("holding the mail in the queue: %w", err)
	}
	return nil
}

// FlushMail has Postfix try to deliver all that waits, whenever that was to be
// tried again. Postfix has to run.
func (h Host) FlushMail(ctx context.Context) error {
	if _, err := h.run(ctx, "/usr/sbin/postqueue", "-f"); err != nil {
		return fmt.Errorf("trying what is in the queue: %w", err)
	}
	return nil
}
