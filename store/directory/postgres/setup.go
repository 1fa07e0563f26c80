package postgres

import (
	"context"
	"fmt"
	"iter"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5/pgconn"

	"chatmaild/auth"
	"chatmaild/auth/mailaddr"
)

// Found says what Create makes.
type Found struct {
	// Owner returns the connection string of a database for the superuser.
	Owner    func(database string) string
	Database string
	Roles    []Role
}

// Role is one that logs in.
type Role struct {
	Name  string
	Group string // that it is a member of; Replication stands for the right to copy everything
	// Password is what it logs in by over the network; "": it does on its own machine alone,
	// as the user of its name.
	Password string
}

// Replication is no group, but a right (CREATE ROLE of PostgreSQL's documentation).
const Replication = "REPLICATION"

// Create makes the database of a directory, its schema and its roles, as far as they are
// not there, and gives the roles their passwords.
func (f *Found) Create(ctx context.Context) error {
	conn, err := pgconn.Connect(ctx, f.Owner("postgres"))
	if err != nil {
		return fmt.Errorf("connecting to PostgreSQL: %w", err)
	}
	defer conn.Close(ctx)
	const duplicateDatabase = "42P04"
	create := "CREATE DATABASE " + quoted(f.Database) + " TEMPLATE template0 ENCODING 'UTF8' LOCALE 'C.UTF-8'"
	if err := execute(ctx, conn, create); err != nil && !refused(err, duplicateDatabase) {
		return fmt.Errorf("creating the directory's database: %w", err)
	}
	if err := Migrate(ctx, f.Owner(f.Database)); err != nil {
		return err
	}
	for _, role := range f.Roles {
		sql := "CREATE ROLE " + quoted(role.Name)
		if err := execute(ctx, conn, sql); err != nil && !refused(err, duplicateObject) {
			return fmt.Errorf("creating a role: %w", err)
		}
		sql = "ALTER ROLE " + quoted(role.Name) + " LOGIN"
		if role.Password != "" {
			sql += " PASSWORD " + literal(role.Password)
		}
		if role.Group == Replication {
			sql += " REPLICATION"
		} else {
			sql += "; GRANT " + quoted(role.Group) + " TO " + quoted(role.Name)
		}
		if err := execute(ctx, conn, sql); err != nil {
			return fmt.Errorf("changing a role: %w", err)
		}
	}
	return nil
}

func quoted(name string) string { return `"` + strings.ReplaceAll(name, `"`, `""`) + `"` }

func literal(text string) string { return `'` + strings.ReplaceAll(text, `'`, `''`) + `'` }

// Import adds accounts that other machines do not know yet, as owner of the tables, and
// returns how many there were not. One that is there stays as it is.
func Import(ctx context.Context, owner string, accounts iter.Seq2[mailaddr.Address, auth.Account]) (added int64, err error) {
	conn, err := pgconn.Connect(ctx, owner)
	if err != nil {
		return 0, fmt.Errorf("connecting to the directory: %w", err)
	}
	defer conn.Close(ctx)
	const insert = `INSERT INTO accounts (address, stored, encrypted_only, home, moving_to, answered)
		VALUES ($1, $2, $3, $4, $5, true) ON CONFLICT (address) DO NOTHING`
	if _, err := conn.Prepare(ctx, "import", insert, nil); err != nil {
		return 0, fmt.Errorf("importing accounts: %w", err)
	}
	batch, n := &pgconn.Batch{}, 0
	flush := func() error {
		results, err := conn.ExecBatch(ctx, batch).ReadAll()
		for _, r := range results {
			added += r.CommandTag.RowsAffected()
		}
		batch, n = &pgconn.Batch{}, 0
		return err
	}
	for addr, a := range accounts {
		values := [][]byte{[]byte(addr.String())}
		for _, v := range encode(a) {
			values = append(values, []byte(v))
		}
		batch.ExecPrepared("import", values, nil, nil)
		if n++; n == pageSize {
			if err := flush(); err != nil {
				return added, fmt.Errorf("importing accounts: %w", err)
			}
		}
	}
	if err := flush(); err != nil {
		return added, fmt.Errorf("importing accounts: %w", err)
	}
	return added, nil
}

// State is what a server tells of itself.
type State struct {
	Writer  bool
	Version string // the major one
	// Position is how much of the log it has, in bytes since the first writer began.
	Position uint64
	// Followers are how many servers copy this one.
	Followers int
	Slots     []Slot
	// Ahead is by how much the clock of its machine is ahead of this one's. It is exact to the
	// time that the question took.
	Ahead time.Duration
}

// Examine asks the server at address. Anybody may.
func Examine(ctx context.Context, address string) (s State, err error) {
	const state = `SELECT NOT pg_is_in_recovery(), (CASE WHEN pg_is_in_recovery()
		THEN greatest(pg_last_wal_receive_lsn(), pg_last_wal_replay_lsn()) ELSE pg_current_wal_flush_lsn() END - '0/0'::pg_lsn)::bigint,
		current_setting('server_version_num')::int / 10000, (SELECT count(*) FROM pg_stat_replication),
		(extract(epoch FROM clock_timestamp()) * 1000000)::bigint`
	start := time.Now()
	results, err := askAll(ctx, address, state+";"+slots)
	middle := start.Add(time.Since(start) / 2)
	if err != nil {
		return s, err
	}
	if len(results) != 2 || len(results[0].Rows) != 1 || len(results[0].Rows[0]) != 5 {
		return s, errRow
	}
	row := results[0].Rows[0]
	if s.Writer, err = decodeBool(row[0]); err != nil {
		return s, err
	}
	if s.Position, err = strconv.ParseUint(string(row[1]), 10, 64); err != nil {
		return s, errRow
	}
	s.Version = string(row[2])
	if s.Followers, err = strconv.Atoi(string(row[3])); err != nil {
		return s, errRow
	}
	clock, err := strconv.ParseInt(string(row[4]), 10, 64)
	if err != nil {
		return s, errRow
	}
	s.Ahead = time.UnixMicro(clock).Sub(middle)
	s.Slots, err = decodeSlots(results[1].Rows)
	return s, err
}

// Homes counts the accounts of each machine, as the server at address has them.
func Homes(ctx context.Context, address string) (map[string]int, error) {
	rows, err := ask(ctx, address, "SELECT home, count(*) FROM accounts GROUP BY home")
	if err != nil {
		return nil, err
	}
	homes := map[string]int{}
	for _, row := range rows {
		if homes[string(row[0])], err = strconv.Atoi(string(row[1])); err != nil {
			return nil, errRow
		}
	}
	return homes, nil
}

// Count counts the accounts, and those of them whose addresses begin in one of some ways, as
// the server at address has them. It reads them all.
func Count(ctx context.Context, address string, beginnings []string) (begin, all int, err error) {
	some := []string{"false"}
	for _, b := range beginnings {
		some = append(some, "starts_with(address, "+literal(b)+")")
	}
	rows, err := ask(ctx, address, "SELECT count(*) FILTER (WHERE "+strings.Join(some, " OR ")+"), count(*) FROM accounts")
	if err != nil {
		return 0, 0, err
	}
	begin, err = strconv.Atoi(string(rows[0][0]))
	if err != nil {
		return 0, 0, errRow
	}
	all, err = strconv.Atoi(string(rows[0][1]))
	if err != nil {
		return 0, 0, errRow
	}
	return begin, all, nil
}

// Followers returns the names of the servers that copy the one at address, of which one that
// only takes a copy of its files is none. Who is not the superuser learns how many they are.
func Followers(ctx context.Context, address string) (names []string, err error) {
	rows, err := ask(ctx, address, "SELECT coalesce(application_name, '') FROM pg_stat_replication WHERE state IS DISTINCT FROM 'backup'")
	for _, row := range rows {
		names = append(names, string(row[0]))
	}
	return names, err
}

// Promote has the server at address, which is a copy, become the writer. The superuser may.
func Promote(ctx context.Context, address string) error {
	rows, err := ask(ctx, address, "SELECT pg_promote(true, 30)")
	if err != nil {
		return err
	}
	if done, err := decodeBool(rows[0][0]); err != nil || !done {
		return fmt.Errorf("PostgreSQL has not become the writer within 30 s")
	}
	return nil
}

// ask runs statements, and returns the rows of the last.
func ask(ctx context.Context, address, sql string) ([][][]byte, error) {
	results, err := askAll(ctx, address, sql)
	if err != nil {
		return nil, err
	}
	return results[len(results)-1].Rows, nil
}

func askAll(ctx context.Context, address, sql string) ([]*pgconn.Result, error) {
	config, err := pgconn.ParseConfig(address)
	if err != nil {
		return nil, fmt.Errorf("the address of a server is not a connection string of PostgreSQL")
	}
	conn, err := pgconn.ConnectConfig(ctx, config)
	if err != nil {
		return nil, fmt.Errorf("connecting to PostgreSQL: %w", err)
	}
	defer conn.Close(ctx)
	results, err := conn.Exec(ctx, sql).ReadAll()
	if err != nil {
		return nil, fmt.Errorf("asking PostgreSQL: %w", err)
	}
	return results, nil
}
