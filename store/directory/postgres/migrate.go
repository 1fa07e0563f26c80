package postgres

import (
	"context"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strconv"
	"strings"

	"github.com/jackc/pgx/v5/pgconn"
)

// schema has the migrations, each in a file whose name begins with its number. Machines of two
// versions are one relay for days, in any order of their upgrades. So a migration only adds
// what a program of before does not need to know, and that one works on; and a program
// works with the schema of before, without what is new (IsOlder), until the machine of the
// writer has its version (Older).
//
//go:embed schema
var schema embed.FS

// migration is one step of the schema.
type migration struct {
	number int
	sql    string
}

// migrations returns all steps, in order.
func migrations() ([]migration, error) {
	names, err := fs.Glob(schema, "schema/*.sql")
	if err != nil {
		return nil, err
	}
	var all []migration
	for _, name := range names {
		text, err := schema.ReadFile(name)
		if err != nil {
			return nil, err
		}
		first, _, _ := strings.Cut(strings.TrimPrefix(name, "schema/"), "-")
		number, err := strconv.Atoi(first)
		if err != nil {
			return nil, fmt.Errorf("%s has no number: %w", name, err)
		}
		all = append(all, migration{number, string(text)})
	}
	slices.SortFunc(all, func(a, b migration) int { return a.number - b.number })
	return all, nil
}

// uniqueViolation is the code of an insertion that another one overtook.
const uniqueViolation = "23505"

// Migrate brings the schema of the writer at address up to date, as the owner of its
// tables. Several may do that at once. It does nothing to a schema that is newer.
func Migrate(ctx context.Context, address string) error {
	all, err := migrations()
	if err != nil {
		return err
	}
	return migrate(ctx, address, all)
}

func migrate(ctx context.Context, address string, all []migration) error {
	conn, err := pgconn.Connect(ctx, address)
	if err != nil {
		return fmt.Errorf("connecting to the directory: %w", err)
	}
	defer conn.Close(ctx)
	const table = "CREATE TABLE IF NOT EXISTS directory_schema (version integer PRIMARY KEY)"
	if err := execute(ctx, conn, table); err != nil && !overtaken(err) && !refused(err, duplicateObject, duplicateTable) {
		return fmt.Errorf("preparing the directory's schema: %w", err)
	}
	for _, m := range all {
		done := conn.ExecParams(ctx, "SELECT FROM directory_schema WHERE version = $1", [][]byte{strconv.AppendInt(nil, int64(m.number), 10)}, nil, nil, nil).Read()
		if done.Err != nil {
			return fmt.Errorf("reading the directory's schema: %w", done.Err)
		}
		if len(done.Rows) > 0 {
			continue
		}
		// Several statements at once are one transaction. Who comes second waits at the
		// insertion for the first to end.
		step := fmt.Sprintf("INSERT INTO directory_schema VALUES (%d);\n%s", m.number, m.sql)
		if err := execute(ctx, conn, step); err != nil && !overtaken(err) {
			return fmt.Errorf("changing the directory's schema to version %d: %w", m.number, err)
		}
	}
	return nil
}

// Older reports whether the server at address is the writer of a directory that Migrate
// would change. The owner of the tables may ask.
func Older(ctx context.Context, address string) (bool, error) {
	all, err := migrations()
	if err != nil {
		return false, err
	}
	rows, err := ask(ctx, address, "SELECT pg_is_in_recovery(), (SELECT max(version) FROM directory_schema)")
	if err != nil {
		return false, err
	}
	copying, err := decodeBool(rows[0][0])
	if err != nil {
		return false, err
	}
	version, err := strconv.Atoi(string(rows[0][1]))
	return err == nil && !copying && version < all[len(all)-1].number, err
}

// IsOlder reports whether an error comes of a schema that has not been brought up to date: a
// table or a column is missing.
func IsOlder(err error) bool { return refused(err, "42P01", "42703") }

func execute(ctx context.Context, conn *pgconn.PgConn, sql string) error {
	_, err := conn.Exec(ctx, sql).ReadAll()
	return err
}

// overtaken reports whether another one has just done the same.
func overtaken(err error) bool { return refused(err, uniqueViolation) }

// What a table is refused with that another one creates at the same time, in spite of
// IF NOT EXISTS: it looks before it creates, and a table is a type, too.
const duplicateObject, duplicateTable = "42710", "42P07"

// refused reports whether PostgreSQL said one of these codes (its manual, appendix A).
func refused(err error, codes ...string) bool {
	said, ok := errors.AsType[*pgconn.PgError](err)
	return ok && slices.Contains(codes, said.Code)
}
