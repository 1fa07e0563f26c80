package postgres

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"strings"

	"github.com/jackc/pgx/v5/pgconn"

	"chatmaild/auth"
	"chatmaild/auth/mailaddr"
)

// dumped are the tables that a dump has, with their columns: what cannot be made again. The
// list of machines is not in it: after a loss of all, others are added.
var dumped = []struct{ table, columns string }{
	{"accounts", "address, stored, encrypted_only, home, moving_to, answered"},
	{"settings", "name, value"},
	{"invites", "digest, uses, expires, note"},
	{"certificates", "host, chain"},
}

// endOfTable ends a table's rows.
const endOfTable = `\.`

func copyLine(table, columns string) string {
	return "COPY " + table + " (" + columns + ") FROM stdin;"
}

// Dump writes the directory of the server at address, a copy too, as it is at one moment: a
// script that psql(1) understands, and Load.
func Dump(ctx context.Context, address string, w io.Writer) error {
	conn, err := pgconn.Connect(ctx, address)
	if err != nil {
		return fmt.Errorf("connecting to the directory: %w", err)
	}
	defer conn.Close(ctx)
	if err := execute(ctx, conn, "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY"); err != nil {
		return fmt.Errorf("reading the directory: %w", err)
	}
	for _, d := range dumped {
		if _, err := fmt.Fprintln(w, copyLine(d.table, d.columns)); err != nil {
			return err
		}
		if _, err := conn.CopyTo(ctx, w, "COPY (SELECT "+d.columns+" FROM "+d.table+") TO STDOUT"); err != nil {
			return fmt.Errorf("reading the directory's %s: %w", d.table, err)
		}
		if _, err := fmt.Fprintln(w, endOfTable); err != nil {
			return err
		}
	}
	return nil
}

// Load adds what a dump has to the directory of the writer, as owner of its tables, and
// returns how many rows there were not. One that is there stays as it is.
func Load(ctx context.Context, owner string, r io.Reader) (added int64, err error) {
	conn, err := pgconn.Connect(ctx, owner)
	if err != nil {
		return 0, fmt.Errorf("connecting to the directory: %w", err)
	}
	defer conn.Close(ctx)
	if err := execute(ctx, conn, "BEGIN"); err != nil {
		return 0, fmt.Errorf("loading the directory: %w", err)
	}
	in := bufio.NewReaderSize(r, maxRow)
	for _, d := range dumped {
		line, err := in.ReadString('\n')
		if err != nil || strings.TrimSuffix(line, "\n") != copyLine(d.table, d.columns) {
			return 0, fmt.Errorf("this is no dump of a directory, or it is damaged: want %q", copyLine(d.table, d.columns))
		}
		if err := execute(ctx, conn, "CREATE TEMP TABLE loaded (LIKE "+d.table+" INCLUDING DEFAULTS) ON COMMIT DROP"); err != nil {
			return 0, fmt.Errorf("loading the directory: %w", err)
		}
		rows := &tableReader{in: in}
		if _, err := conn.CopyFrom(ctx, rows, "COPY loaded ("+d.columns+") FROM STDIN"); err != nil {
			return 0, fmt.Errorf("loading the directory's %s: %w", d.table, errors.Join(rows.err, err))
		}
		// A move that was under way has ended with the machines.
		values := strings.Replace(d.columns, "moving_to", "''", 1)
		results, err := conn.Exec(ctx, "INSERT INTO "+d.table+" ("+d.columns+") SELECT "+values+" FROM loaded ON CONFLICT DO NOTHING; DROP TABLE loaded").ReadAll()
		if err != nil {
			return 0, fmt.Errorf("loading the directory's %s: %w", d.table, err)
		}
		added += results[0].CommandTag.RowsAffected()
	}
	if err := execute(ctx, conn, "COMMIT"); err != nil {
		return 0, fmt.Errorf("loading the directory: %w", err)
	}
	return added, nil
}

// DumpAccounts writes accounts as a dump has them, for Load, with nothing else.
func DumpAccounts(w io.Writer, accounts iter.Seq2[mailaddr.Address, auth.Account]) error {
	out := bufio.NewWriter(w)
	for _, d := range dumped {
		fmt.Fprintln(out, copyLine(d.table, d.columns))
		if d.table == "accounts" {
			for addr, a := range accounts {
				fields := append([]string{addr.String()}, encode(a)...)
				for i, f := range fields {
					fields[i] = escaped.Replace(f)
				}
				fmt.Fprintf(out, "%s\tt\n", strings.Join(fields, "\t"))
			}
		}
		fmt.Fprintln(out, endOfTable)
	}
	return out.Flush()
}

// escaped is a value as a row has it (COPY of PostgreSQL's documentation, "Text Format").
var escaped = strings.NewReplacer(`\`, `\\`, "\t", `\t`, "\n", `\n`, "\r", `\r`)

// maxRow is the longest row of a dump, in bytes: a certificate, each byte escaped.
const maxRow = 256 << 10

// tableReader reads the rows of one table of a dump.
type tableReader struct {
	in   *bufio.Reader
	rest []byte
	done bool
	err  error
}

// Read implements io.Reader. A dump that ends within a table is an error.
func (t *tableReader) Read(p []byte) (int, error) {
	for len(t.rest) == 0 {
		if t.done {
			return 0, io.EOF
		}
		line, err := t.in.ReadSlice('\n')
		if err != nil {
			t.err = fmt.Errorf("the dump ends within a table, or a row is too long: %w", err)
			return 0, t.err
		}
		if string(line) == endOfTable+"\n" {
			t.done = true
			continue
		}
		t.rest = line
	}
	n := copy(p, t.rest)
	t.rest = t.rest[n:]
	return n, nil
}
