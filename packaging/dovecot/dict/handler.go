package dict

import "context"

// Handler answers the requests of Dovecot's dict clients. Its methods are called
// concurrently for different connections. Keys arrive unescaped, with their
// "shared/" or "priv/"; user is the one on whose behalf Dovecot asks, or empty.
type Handler interface {
	// Lookup returns the value of key.
	Lookup(ctx context.Context, key, user string) (value string, found bool, err error)
	// Iterate calls yield for each key below path until yield fails, and
	// returns that error. Keys must begin with path: Dovecot relies on it.
	Iterate(ctx context.Context, path, user string, yield func(key, value string) error) error
	// Commit applies the changes of one transaction, in their order.
	Commit(ctx context.Context, user string, changes []Change) error
}

// Change is one change of a transaction: Key is set to Value, or unset.
type Change struct {
	Key   string
	Value string
	Unset bool
}
