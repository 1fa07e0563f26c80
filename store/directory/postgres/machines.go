package postgres

import (
	"context"
	"fmt"
	"strconv"

	"chatmaild/auth"
	"chatmaild/auth/mailaddr"
	"chatmaild/store/directory"
)

// machineFields are those that decodeMachines reads.
const machineFields = "name, state, store, room"

// Machines returns the machines, as this one's copy has them.
func (d *Directory) Machines(ctx context.Context) ([]directory.Machine, error) {
	rows, _, err := d.copy.query(ctx, "SELECT "+machineFields+" FROM machines")
	return decodeMachines(rows, err)
}

// MachinesWord returns them as the writer has them, as Word does a row.
func (d *Directory) MachinesWord(ctx context.Context) ([]directory.Machine, error) {
	const fenced = `WITH fence AS MATERIALIZED (SELECT pg_logical_emit_message(true, 'chatmaild', '') AS lsn)
		SELECT ` + machineFields + ` FROM fence JOIN machines ON fence.lsn IS NOT NULL`
	rows, _, err := d.writer.query(ctx, fenced)
	return decodeMachines(rows, err)
}

// MachinesOf returns them as the server at address has them, whichever it is.
func MachinesOf(ctx context.Context, address string) ([]directory.Machine, error) {
	rows, err := ask(ctx, address, "SELECT "+machineFields+" FROM machines")
	return decodeMachines(rows, err)
}

// undefinedTable is the code of a table that is not there.
const undefinedTable = "42P01"

// decodeMachines reads the answer to a query for machines. A directory that an earlier version
// has made says nothing of them: no machine is lost.
func decodeMachines(rows [][][]byte, err error) (all []directory.Machine, _ error) {
	if err != nil && !refused(err, undefinedTable) {
		return nil, err
	}
	for _, row := range rows {
		if len(row) != 4 {
			return nil, errRow
		}
		m := directory.Machine{Name: string(row[0]), Standing: directory.Standing(row[1]), Store: string(row[2])}
		if m.Room, err = strconv.ParseInt(string(row[3]), 10, 64); err != nil {
			return nil, errRow
		}
		all = append(all, m)
	}
	return all, nil
}

// Stand changes what a machine is to the relay. It fails with directory.ErrChanged if the
// machine is lost: it stays that.
func (d *Directory) Stand(ctx context.Context, machine string, s directory.Standing) error {
	const stand = `INSERT INTO machines (name, state) VALUES ($1, $2)
		ON CONFLICT (name) DO UPDATE SET state = EXCLUDED.state WHERE machines.state <> 'lost' OR EXCLUDED.state = 'lost'`
	return d.changeMachine(ctx, stand, machine, string(s))
}

// Register notes which mailboxes a machine has, and for how many accounts it has room. It
// fails with directory.ErrChanged if the machine had others, or is lost.
func (d *Directory) Register(ctx context.Context, machine, store string, room int64) error {
	const register = `INSERT INTO machines (name, store, room) VALUES ($1, $2, $3)
		ON CONFLICT (name) DO UPDATE SET store = EXCLUDED.store, room = EXCLUDED.room
		WHERE machines.store IN ('', EXCLUDED.store) AND machines.state <> 'lost'`
	return d.changeMachine(ctx, register, machine, store, strconv.FormatInt(room, 10))
}

// Retire forgets a machine that was taken off the list, so that another may have its name;
// one that is lost stays so, and the error is directory.ErrChanged.
func (d *Directory) Retire(ctx context.Context, machine string) error {
	const retire = "UPDATE machines SET state = 'open', store = '', room = 0 WHERE name = $1 AND state <> 'lost'"
	return d.changeMachine(ctx, retire, machine)
}

func (d *Directory) changeMachine(ctx context.Context, statement string, args ...string) error {
	_, n, err := d.writer.query(ctx, statement, args...)
	switch {
	case err != nil:
		return fmt.Errorf("%w: %w", directory.ErrUnavailable, err)
	case n == 0:
		return directory.ErrChanged
	}
	return nil
}

// Moving returns accounts whose mailboxes leave a machine, as this one's copy has them.
func (d *Directory) Moving(ctx context.Context, home string, limit int) ([]mailaddr.Address, error) {
	const moving = "SELECT address FROM accounts WHERE home = $1 AND moving_to <> '' LIMIT $2"
	rows, _, err := d.copy.query(ctx, moving, home, strconv.Itoa(limit))
	if err != nil {
		return nil, err
	}
	var all []mailaddr.Address
	for _, row := range rows {
		if addr, err := mailaddr.Parse(string(row[0]), d.domain); err == nil {
			all = append(all, addr)
		}
	}
	return all, nil
}

// Housed is an account with its row.
type Housed struct {
	Address mailaddr.Address
	auth.Account
}

// Housed returns the next accounts after an address that are at home on a machine, in the
// order of their addresses; none at the end.
func (d *Directory) Housed(ctx context.Context, home, after string) ([]Housed, error) {
	const page = "SELECT address, " + fields + " FROM accounts WHERE home = $1 AND address > $2 ORDER BY address LIMIT $3"
	rows, _, err := d.pages.query(ctx, page, home, after, strconv.Itoa(pageSize))
	if err != nil {
		return nil, err
	}
	var all []Housed
	for _, row := range rows {
		addr, err := mailaddr.Parse(string(row[0]), d.domain)
		if err != nil {
			continue // no account of this relay
		}
		a, err := decode(row[1:])
		if err != nil {
			return nil, err
		}
		all = append(all, Housed{addr, a.Account})
	}
	return all, nil
}
