package dict

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strconv"
	"time"

	"chatmaild/applets/service/accept"
	"chatmaild/packaging/dovecot/tabline"
)

// Bounds within a connection.
const (
	maxTransactions     = 64      // open at once
	maxTransactionBytes = 1 << 20 // of all open ones
	changeOverhead      = 64      // bytes that a change takes beside its key and value
	flushAt             = 8 << 10 // bytes of an iteration that are written at once
)

// Protocol versions that are understood; see doc.go.
const (
	minMajor = 2
	maxMajor = 4
)

// errBroken says that the peer broke the protocol and must be let go.
var errBroken = errors.New("broken dict protocol")

// conn is one connection. Only its own goroutine touches it.
type conn struct {
	s     *Server
	net   net.Conn
	lines *tabline.Reader
	out   []byte
	user  string // from the hello, for clients before protocol 3

	transactions map[string]*transaction
	held         int // bytes in the transactions
}

// serveConn answers one connection until it ends, breaks, or ctx is done.
func (s *Server) serveConn(ctx context.Context, nc net.Conn) {
	c := &conn{s: s, net: nc, lines: tabline.NewReader(nc, s.MaxLine)}
	defer c.lines.Close()
	switch err := c.run(ctx); {
	case err == nil, errors.Is(err, io.EOF):
	case ctx.Err() != nil && errors.Is(err, os.ErrDeadlineExceeded):
	default:
		s.Log.Warn("dict connection dropped", "error", err)
	}
}

func (c *conn) run(ctx context.Context) error {
	for {
		line, err := c.lines.Next()
		if err != nil {
			return fmt.Errorf("reading a request: %w", err)
		}
		if err := c.answer(context.WithoutCancel(ctx), line); err != nil {
			return err
		}
		if err := c.flush(); err != nil {
			return err
		}
		if ctx.Err() != nil {
			return nil
		}
	}
}

func (c *conn) flush() error {
	if len(c.out) == 0 {
		return nil
	}
	if err := c.net.SetWriteDeadline(time.Now().Add(c.s.WriteTimeout)); err != nil {
		return fmt.Errorf("answering: %w", err)
	}
	if _, err := c.net.Write(c.out); err != nil {
		return fmt.Errorf("answering: %w", err)
	}
	if c.out = c.out[:0]; cap(c.out) > 2*flushAt {
		c.out = nil
	}
	return nil
}

func (c *conn) reply(letter byte, fields ...string) {
	c.out = appendLine(c.out, letter, fields...)
}

// answer does what one line asks. Its error ends the connection.
func (c *conn) answer(ctx context.Context, line []byte) error {
	r, ok := parseRequest(line)
	if !ok {
		return nil
	}
	switch r.cmd {
	case cmdHello:
		return c.hello(&r)
	case cmdLookup, cmdIterate, cmdCommit, cmdCommitAsync:
		ctx, cancel := accept.Within(ctx, c.s.RequestTimeout)
		defer cancel()
		return c.handle(ctx, &r)
	case cmdBegin:
		c.begin(&r)
	case cmdSet:
		c.change(&r, Change{Key: r.arg(1), Value: r.arg(2)}, 3)
	case cmdUnset:
		c.change(&r, Change{Key: r.arg(1), Unset: true}, 2)
	case cmdIncrement:
		if t := c.transactions[r.arg(0)]; t != nil {
			t.fault = errors.New("atomic increments are not supported")
		}
	case cmdRollback:
		c.forget(r.arg(0))
	case cmdTimestamp, cmdHideValues:
	default:
		c.s.Log.Warn("unknown dict command", "command", strconv.QuoteRuneToASCII(rune(r.cmd)))
	}
	return nil
}

// handle does what needs the Handler.
func (c *conn) handle(ctx context.Context, r *request) error {
	switch r.cmd {
	case cmdLookup:
		c.lookup(ctx, r)
	case cmdIterate:
		return c.iterate(ctx, r)
	default:
		c.commit(ctx, r)
	}
	return nil
}

func (c *conn) hello(r *request) error {
	major, err := strconv.Atoi(r.arg(0))
	if err != nil || major < minMajor || major > maxMajor {
		return fmt.Errorf("%w: its version is %.10q, want %d to %d", errBroken, r.arg(0), minMajor, maxMajor)
	}
	c.user = r.arg(3)
	return nil
}

func (c *conn) userOf(field string) string {
	if field != "" {
		return field
	}
	return c.user
}

func (c *conn) lookup(ctx context.Context, r *request) {
	value, found, err := c.s.Handler.Lookup(ctx, r.arg(0), c.userOf(r.arg(1)))
	switch {
	case err != nil:
		c.reply(replyFail, err.Error())
	case found:
		c.reply(replyOK, value)
	default:
		c.reply(replyNotFound)
	}
}

// iterate streams: what a peer has not read yet is never more than flushAt.
func (c *conn) iterate(ctx context.Context, r *request) error {
	limit, err := strconv.ParseUint(r.arg(1), 10, 64)
	if err != nil || r.n < 3 {
		c.reply(replyFail, "iterate: want flags, number of rows and path")
		return nil
	}
	var rows uint64
	var broken error
	err = c.s.Handler.Iterate(ctx, r.arg(2), c.userOf(r.arg(3)), func(key, value string) error {
		if limit > 0 && rows == limit {
			return errEnough
		}
		rows++
		c.reply(replyOK, key, value)
		if len(c.out) >= flushAt {
			broken = c.flush()
		}
		return broken
	})
	switch {
	case broken != nil:
		return broken
	case err != nil && !errors.Is(err, errEnough):
		c.reply(replyFail, err.Error())
	default:
		c.out = append(c.out, '\n')
	}
	return nil
}

// errEnough stops an iteration that has given as many rows as were wanted.
var errEnough = errors.New("enough rows")
