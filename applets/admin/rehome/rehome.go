// Package rehome gives mailboxes other homes: it has the rows of accounts say so, and waits
// until the porters of the machines have done it. A move that has begun continues without it.
package rehome

import (
	"context"
	"errors"
	"fmt"
	"net"
	"runtime"
	"strconv"
	"time"

	"golang.org/x/time/rate"

	"chatmaild/applets/command"
	"chatmaild/applets/config"
	"chatmaild/auth"
	"chatmaild/auth/mailaddr"
	"chatmaild/store/directory"
	"chatmaild/store/directory/move"
)

// Move is a mailbox that is to have another home.
type Move struct {
	Addr     mailaddr.Address
	From, To string
	// Row is the account as it was seen last, if it was: most have not changed.
	Row auth.Account
}

// Rows is the directory.
type Rows struct {
	Copy   directory.Copy
	Writer directory.Writer
	// Machines returns the machines by the writer's word.
	Machines func(ctx context.Context) ([]directory.Machine, error)
}

// Takes fails unless a machine gets accounts.
func (r Rows) Takes(ctx context.Context, machine string) error {
	all, err := r.Machines(ctx)
	if err != nil {
		return fmt.Errorf("asking the writer of the directory: %w", err)
	}
	for _, m := range all {
		if m.Name == machine && m.Standing != directory.Open {
			return fmt.Errorf("machine %s is %s: it gets no mailboxes", machine, m.Standing)
		}
	}
	return nil
}

// window is how many moves are begun at a time: a mailbox is closed from then on, until its turn
// comes, so they are few, and as many as the porters do in about a second.
const window = 32

// lookEvery is how often the rows are looked at, and stall after how long without any that
// has moved it is time to say so.
const (
	lookEvery = 50 * time.Millisecond
	stall     = 30 * time.Second
)

// begun is a move that is under way.
type begun struct {
	Move
	at time.Time
}

// perProcessor is how many mailboxes move in a second for each processor of this machine, by
// default: texts take 1.3 times as long then, where three machines share two
// processors. Without a pace, a drain takes all that there is, and texts take up to two and a
// half times as long.
const perProcessor = 6

// Pace is how many mailboxes move in a second by default.
func Pace() int { return perProcessor * runtime.GOMAXPROCS(0) }

// paced returns what lets a move begin, so many in a second. A mailbox is closed from then on: they
// wait for their turn here, open, and not at their porter. Those that come due between two looks
// of the porter, a quarter of a second, can begin together.
func paced(pace int) *rate.Limiter { return rate.NewLimiter(rate.Limit(pace), 1+pace/4) }

// Run does all moves that next returns, pace of them in a second, until it says that there are no
// more, and calls ended for each: with an error if it was not even begun, as of an account that was
// deleted, or is being moved elsewhere. It fails if the directory does, or if nothing moves any
// more.
func Run(ctx context.Context, rows Rows, pace int, next func() (m Move, ok bool, err error), ended func(Move, error)) error {
	var open []begun
	last, more, turn := time.Now(), true, paced(pace)
	for more || len(open) > 0 {
		for more && len(open) < window && turn.Allow() {
			m, ok, err := next()
			if err != nil {
				return err
			}
			if more = ok; !ok {
				break
			}
			switch err := begin(ctx, rows.Writer, m); {
			case err == nil:
				open = append(open, begun{m, time.Now()})
			case errors.Is(err, directory.ErrChanged), errors.Is(err, auth.ErrNoMailbox), errors.Is(err, move.ErrThere):
				ended(m, err)
			default:
				return fmt.Errorf("beginning a move: %w", err)
			}
		}
		still := open[:0]
		for _, m := range open {
			done, err := hasEnded(ctx, rows, m)
			if !done {
				still = append(still, m)
				continue
			}
			last = time.Now()
			ended(m.Move, err)
		}
		open = still
		if len(open) == 0 {
			last = time.Now()
		} else if time.Since(last) > stall && time.Since(open[0].at) > stall {
			from := open[0].From
			return command.WithHint(fmt.Errorf("%d mailboxes that leave machine %s stay closed; their moves go on once it can do them", len(open), from),
				"see on machine %s: journalctl -u chatmaild-porter", from)
		}
		select {
		case <-time.After(lookEvery):
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return nil
}

// begin has a row say that its mailbox moves.
func begin(ctx context.Context, w directory.Writer, m Move) error {
	if m.Row.Home == m.From && m.Row.MovingTo == "" {
		moving := m.Row
		moving.MovingTo = m.To
		if done, err := w.Replace(ctx, m.Addr, m.Row, moving); done || err != nil {
			return err
		}
	}
	return move.Begin(ctx, w, m.Addr, m.From, m.To)
}

// errCancelled says that the move was cancelled: the mailbox stays.
var errCancelled = errors.New("the move was cancelled")

// lagging is how long this machine's copy may not know of a move that was begun.
const lagging = 3 * time.Second

// hasEnded reports whether a mailbox does not move any more, as far as this machine knows.
func hasEnded(ctx context.Context, rows Rows, m begun) (bool, error) {
	row, err := rows.Copy.Read(ctx, m.Addr)
	if err == nil && row.Home == m.From && row.MovingTo == "" && time.Since(m.at) > lagging {
		row, err = rows.Writer.Word(ctx, m.Addr)
		if err == nil && row.Home == m.From && row.MovingTo == "" {
			return true, errCancelled
		}
	}
	if errors.Is(err, auth.ErrNoMailbox) {
		return true, nil // deleted
	}
	return err == nil && row.Home != m.From && row.MovingTo == "", nil
}

// portersTimeout is how long a machine may take to accept a connection.
const portersTimeout = 2 * time.Second

// Ready fails unless the porter of a machine answers.
func Ready(ctx context.Context, conf *config.Config, machine string) error {
	for _, m := range config.Members(conf) {
		if m.Name != machine {
			continue
		}
		ctx, cancel := context.WithTimeout(ctx, portersTimeout)
		defer cancel()
		c, err := new(net.Dialer).DialContext(ctx, "tcp", net.JoinHostPort(m.Addr.String(), strconv.Itoa(config.MemberPorterPort)))
		if err != nil {
			return command.WithHint(fmt.Errorf("machine %s does not take part in moves: %w", machine, err),
				"see there: systemctl status chatmaild-porter")
		}
		return c.Close()
	}
	return command.Usagef("%q is not a machine of this relay: want one that [cluster] of %s names", machine, config.DefaultPath)
}
