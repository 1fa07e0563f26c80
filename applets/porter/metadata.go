package porter

import (
	"context"
	"time"

	"chatmaild/auth/mailaddr"
	"chatmaild/packaging/dovecot/dict"
	"chatmaild/push"
)

// metadataSocket is where the metadata daemon answers, which has the push tokens and the
// notifications that wait.
type metadataSocket string

// metadataTimeout is how long it may take.
const metadataTimeout = 10 * time.Second

// kept returns what is kept of an account, as push.Kept has it.
func (m metadataSocket) kept(ctx context.Context, addr mailaddr.Address) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, metadataTimeout)
	defer cancel()
	return dict.Ask(ctx, string(m), push.KeptKey+addr.String())
}

// keep takes that over.
func (m metadataSocket) keep(ctx context.Context, addr mailaddr.Address, kept string) error {
	return m.change(ctx, addr, dict.Change{Key: push.KeptKey + addr.String(), Value: kept})
}

// forget forgets all of an account.
func (m metadataSocket) forget(ctx context.Context, addr mailaddr.Address) error {
	return m.change(ctx, addr, dict.Change{Key: push.TokensKey, Unset: true})
}

func (m metadataSocket) change(ctx context.Context, addr mailaddr.Address, change dict.Change) error {
	ctx, cancel := context.WithTimeout(ctx, metadataTimeout)
	defer cancel()
	client, err := dict.Dial(ctx, string(m))
	if err != nil {
		return err
	}
	defer client.Close()
	return client.Commit(ctx, addr.String(), []dict.Change{change})
}
