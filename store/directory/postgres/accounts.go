package postgres

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"chatmaild/auth"
	"chatmaild/auth/mailaddr"
	"chatmaild/store/directory"
)

// Deadlines.
const (
	copyDeadline   = 100 * time.Millisecond // a look-up on this machine takes less than 1
	writerDeadline = time.Second            // a commit goes to another machine and back
	pageDeadline   = 5 * time.Second
	// connectDeadline is for a machine whose processors are all busy, as when everybody logs in
	// again: PostgreSQL starts a process for each new connection. A client that is refused then
	// comes again much later.
	connectDeadline = time.Second
)

// pageSize is how many addresses Each holds at a time.
const pageSize = 1000

// Directory is the directory on PostgreSQL.
type Directory struct {
	directory.Replicated
	domain              string
	copy, pages, writer *server
}

// Options say where the servers are: each is a connection string of libpq.
type Options struct {
	Domain string // of the relay's addresses
	// Copy is the server of this machine; its role is a member of chatmaild_reader.
	Copy string
	// Writer names all servers that may be the writer, with
	// target_session_attrs=read-write; its role is a member of chatmaild_writer.
	Writer string
	// Copies is how many copies the writer needs to commit. One that has fewer is not
	// asked: it may have been replaced, and not know it.
	Copies int
	Now    func() time.Time
}

// Open returns the directory. It connects to nothing yet.
func Open(o Options) (*Directory, error) {
	d := &Directory{domain: o.Domain}
	for _, s := range []struct {
		to       **server
		address  string
		deadline time.Duration
	}{{&d.copy, o.Copy, copyDeadline}, {&d.pages, o.Copy, pageDeadline}, {&d.writer, o.Writer, writerDeadline}} {
		var err error
		if *s.to, err = newServer(s.address, s.deadline, o.Now); err != nil {
			return nil, err
		}
	}
	d.writer.needs(o.Copies)
	d.Copy = &standby{d.copy, d.pages, o.Domain}
	d.Writer = &primary{d.writer}
	return d, nil
}

// Close closes the connections that are not in use.
func (d *Directory) Close() {
	d.copy.close()
	d.pages.close()
	d.writer.close()
}

// fields are those of a row that decode reads.
const fields = "stored, encrypted_only, home, moving_to, answered"

// errRow says that a row makes no sense. It has nothing of it.
var errRow = errors.New("a row of the directory makes no sense")

// decode reads a row.
func decode(values [][]byte) (row directory.Row, err error) {
	if len(values) != 5 {
		return row, errRow
	}
	for _, v := range values {
		if v == nil {
			return row, errRow
		}
	}
	row.Stored, row.Home, row.MovingTo = string(values[0]), string(values[2]), string(values[3])
	if row.EncryptedOnly, err = decodeBool(values[1]); err != nil {
		return directory.Row{}, err
	}
	if row.Answered, err = decodeBool(values[4]); err != nil {
		return directory.Row{}, err
	}
	return row, nil
}

// decodeBool reads the text form of a boolean.
func decodeBool(value []byte) (bool, error) {
	switch string(value) {
	case "t":
		return true, nil
	case "f":
		return false, nil
	}
	return false, errRow
}

// standby is the server of this machine.
type standby struct {
	server, pages *server
	domain        string
}

// Read implements directory.Copy.
func (s *standby) Read(ctx context.Context, addr mailaddr.Address) (directory.Row, error) {
	rows, _, err := s.server.query(ctx, "SELECT "+fields+" FROM accounts WHERE address = $1", addr.String())
	switch {
	case err != nil:
		return directory.Row{}, err
	case len(rows) == 0:
		return directory.Row{}, auth.ErrNoMailbox
	}
	return decode(rows[0])
}

// Each implements directory.Copy.
func (s *standby) Each(ctx context.Context, yield func(mailaddr.Address) error) error {
	for after := ""; ; {
		if err := ctx.Err(); err != nil {
			return fmt.Errorf("listing all accounts: %w", err)
		}
		const page = "SELECT address FROM accounts WHERE address > $1 ORDER BY address LIMIT $2"
		rows, _, err := s.pages.query(ctx, page, after, strconv.Itoa(pageSize))
		if err != nil {
			return err
		}
		for _, row := range rows {
			after = string(row[0])
			addr, err := mailaddr.Parse(after, s.domain)
			if err != nil {
				continue // no account of this relay
			}
			if err := yield(addr); err != nil {
				return err
			}
		}
		if len(rows) < pageSize {
			return nil
		}
	}
}

// primary is the server that takes changes.
type primary struct{ server *server }

// word reads a row and commits something that changes nothing, a message in the log. The
// commit waits for a second machine, and for all that was committed before it.
const word = `WITH fence AS MATERIALIZED (SELECT pg_logical_emit_message(true, 'chatmaild', '') AS lsn)
SELECT fence.lsn, ` + fields + ` FROM fence LEFT JOIN accounts ON address = $1`

// Word implements directory.Writer.
func (p *primary) Word(ctx context.Context, addr mailaddr.Address) (directory.Row, error) {
	rows, _, err := p.server.query(ctx, word, addr.String())
	switch {
	case err != nil:
		return directory.Row{}, err
	case len(rows) != 1 || len(rows[0]) < 2:
		return directory.Row{}, errRow
	case rows[0][1] == nil:
		return directory.Row{}, auth.ErrNoMailbox
	}
	return decode(rows[0][1:])
}

// Answer implements directory.Writer.
func (p *primary) Answer(ctx context.Context, addr mailaddr.Address) error {
	_, _, err := p.server.query(ctx, "UPDATE accounts SET answered = true WHERE address = $1 AND NOT answered", addr.String())
	return err
}

// Insert implements directory.Writer.
func (p *primary) Insert(ctx context.Context, addr mailaddr.Address, a auth.Account) error {
	const insert = `INSERT INTO accounts (address, stored, encrypted_only, home, moving_to)
		VALUES ($1, $2, $3, $4, $5) ON CONFLICT (address) DO NOTHING`
	_, n, err := p.server.query(ctx, insert, append([]string{addr.String()}, encode(a)...)...)
	if err == nil && n == 0 {
		return auth.ErrExists
	}
	return err
}

// Replace implements directory.Writer.
func (p *primary) Replace(ctx context.Context, addr mailaddr.Address, from, to auth.Account) (bool, error) {
	const replace = `UPDATE accounts SET stored = $2, encrypted_only = $3, home = $4, moving_to = $5
		WHERE address = $1 AND stored = $6 AND encrypted_only = $7 AND home = $8 AND moving_to = $9`
	args := append(append([]string{addr.String()}, encode(to)...), encode(from)...)
	_, n, err := p.server.query(ctx, replace, args...)
	return n == 1, err
}

// Delete implements directory.Writer.
func (p *primary) Delete(ctx context.Context, addr mailaddr.Address) (bool, error) {
	_, n, err := p.server.query(ctx, "DELETE FROM accounts WHERE address = $1", addr.String())
	return n == 1, err
}

// encode is the inverse of decode, but for answered.
func encode(a auth.Account) []string {
	return []string{a.Stored, strconv.FormatBool(a.EncryptedOnly), a.Home, a.MovingTo}
}
