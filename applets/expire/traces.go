package expire

import (
	"context"
	"log/slog"
	"sync/atomic"
	"time"

	"chatmaild/packaging/dovecot/dict"
	"chatmaild/push"
)

// traceTimeout is how long the metadata daemon may take to forget one account.
const traceTimeout = 10 * time.Second

// traces are what is left of a mailbox elsewhere: push tokens, which the metadata
// daemon keeps. It looks for those of mailboxes that are gone once an hour; before
// that, someone could have made an account of the same name, with the old one's
// devices.
type traces struct {
	socket string
	log    *slog.Logger
	failed atomic.Bool
}

// forget has the daemon forget the tokens of an address. After one fault it leaves
// all others to the daemon's own search.
func (t *traces) forget(ctx context.Context, addr string) {
	if t.failed.Load() {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, traceTimeout)
	defer cancel()
	if err := t.tell(ctx, addr); err != nil && t.failed.CompareAndSwap(false, true) {
		t.log.Warn("the push tokens of deleted mailboxes are removed later, when the metadata daemon looks for the mailboxes", "error", err)
	}
}

func (t *traces) tell(ctx context.Context, addr string) error {
	client, err := dict.Dial(ctx, t.socket)
	if err != nil {
		return err
	}
	defer client.Close()
	return client.Commit(ctx, addr, []dict.Change{{Key: push.TokensKey, Unset: true}})
}
