package host

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
)

// A reader is a program that reads SQLite databases.
type reader struct {
	program string
	args    func(path, query string) []string
}

// readers are those that may be here: a container's image has SQLite's own program, and
// there is a Python, with SQLite in its library, wherever the Python relay ran.
var readers = []reader{
	{"/usr/bin/sqlite3", func(path, query string) []string {
		return []string{"-batch", path, "SELECT hex((" + query + "))"}
	}},
	{"/usr/bin/python3", inPython},
	{"/usr/local/lib/chatmaild/venv/bin/python3", inPython},
}

func inPython(path, query string) []string { return []string{"-c", sqliteCell, path, query} }

// maxCell bounds what is read of a database, in bytes.
const maxCell = 1 << 20

// sqliteCell prints the first column of the first row of a query, in hex.
const sqliteCell = `import sqlite3, sys
row = sqlite3.connect(sys.argv[1]).execute(sys.argv[2]).fetchone()
cell = row[0] if row else b""
print(bytes(cell if isinstance(cell, bytes) else str(cell).encode()).hex())`

// SQLite returns the first column of the first row that a query of a SQLite database
// returns, empty if there is no row.
//
// This is done once, at a takeover; a driver for SQLite would be in every daemon, since all
// are this one program.
func (h Host) SQLite(ctx context.Context, path, query string) ([]byte, error) {
	for _, r := range readers {
		if !h.reaches(r.program) {
			continue
		}
		out, err := h.run(ctx, r.program, r.args(h.path(path), query)...)
		if err != nil {
			return nil, fmt.Errorf("reading a SQLite database: %w", err)
		}
		if len(out) > 2*maxCell {
			return nil, errors.New("reading a SQLite database: the value is too long")
		}
		return hex.DecodeString(strings.TrimSpace(out))
	}
	return nil, errors.New("reading a SQLite database: there is no program for it: apt install sqlite3")
}
