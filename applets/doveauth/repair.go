package doveauth

import (
	"context"
	"log/slog"
	"time"

	"chatmaild/store/maildir"
)

// repair removes what a crash or a power failure left incomplete, before anyone can log in, and
// notes that mail may come from now on. What fails is logged: people would rather have the
// rest of their mail than none, on a full disk too.
func repair(ctx context.Context, mailboxes *maildir.Store, use maildir.Use, boot string, log *slog.Logger) {
	if n, err := mailboxes.RemoveLeftovers(time.Now()); err != nil {
		log.Warn("cannot remove what a crash left incomplete", "error", err)
	} else if n > 0 {
		log.Info("removed what a crash left incomplete", "mailboxes", n)
	}
	interrupted, err := use.Interrupted(boot)
	if err != nil {
		log.Warn("cannot tell whether the power failed", "error", err)
	}
	if interrupted {
		start := time.Now()
		recovered, err := mailboxes.Recover(ctx)
		if ctx.Err() != nil {
			return // the next start does it again
		}
		if err != nil {
			log.Warn("cannot recover all mailboxes after a power failure", "error", err)
		}
		log.Info("the power failed: recovered the mailboxes that were in use; what was being delivered comes again",
			"mailboxes", recovered.Mailboxes, "messages", recovered.Messages, "took", time.Since(start).Round(time.Millisecond))
	}
	if err := use.Begin(boot); err != nil {
		log.Warn("cannot look for incomplete messages after the next power failure", "error", err)
	}
}
