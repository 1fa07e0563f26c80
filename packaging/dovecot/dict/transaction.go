package dict

import (
	"context"
	"errors"
	"fmt"
)

// transaction is what was sent between BEGIN and COMMIT.
type transaction struct {
	user    string
	changes []Change
	size    int
	fault   error // why it cannot be committed
}

func (c *conn) begin(r *request) {
	if c.transactions == nil {
		c.transactions = make(map[string]*transaction, 1)
	}
	if t := c.transactions[r.arg(0)]; t != nil {
		t.fault = errors.New("its id was used twice")
		return
	}
	if len(c.transactions) == maxTransactions {
		c.s.Log.Warn("too many dict transactions on one connection", "max", maxTransactions)
		return // its commit will find no transaction, and fail
	}
	c.transactions[r.arg(0)] = &transaction{user: c.userOf(r.arg(1))}
}

// change notes a change for the commit; want is how many fields it takes.
func (c *conn) change(r *request, ch Change, want int) {
	t := c.transactions[r.arg(0)]
	if t == nil || t.fault != nil {
		return // the commit says so
	}
	size := len(ch.Key) + len(ch.Value) + changeOverhead
	switch {
	case r.n < want:
		t.fault = errors.New("a change without key or value")
	case c.held+size > maxTransactionBytes:
		t.fault = fmt.Errorf("more than %d bytes in open transactions", maxTransactionBytes)
	default:
		t.changes = append(t.changes, ch)
		t.size += size
		c.held += size
	}
}

func (c *conn) commit(ctx context.Context, r *request) {
	id := r.arg(0)
	t := c.forget(id)
	err := errors.New("no such transaction")
	if t != nil {
		err = t.fault
	}
	if err == nil {
		err = c.s.Handler.Commit(ctx, t.user, t.changes)
	}
	if r.cmd == cmdCommitAsync {
		c.out = append(c.out, replyAsync)
	}
	if err != nil {
		c.reply(replyFail, id, err.Error())
		return
	}
	c.reply(replyOK, id)
}

func (c *conn) forget(id string) *transaction {
	t := c.transactions[id]
	if t != nil {
		delete(c.transactions, id)
		c.held -= t.size
	}
	return t
}
