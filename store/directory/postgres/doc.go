// Package postgres is the directory of a relay of several machines, on PostgreSQL's own
// streaming replication: one server is the writer, each other machine has a hot standby,
// and reads it.
//
// It speaks to the servers by pgconn, the lower half of jackc/pgx: that adds 1.5 MB to a
// program where pgx and its pool add 4.5 MB, and 0.8 MB to what an idle one has mapped,
// all of it pages of the file. All values are text.
//
// # What the servers are configured to
//
// synchronous_standby_names must be such that the writer and those who confirm a commit
// are a majority of the machines that may become the writer: "ANY 1 (b, c)" for three.
// Then a writer that was replaced, and does not know, cannot commit; and all that
// [directory.Writer] says, it says by a commit.
//
// A commit whose wait is cut off, by a deadline or by a crash of the writer, is there
// nevertheless, and seen by who reads that server. Such a row is not answered: that is a
// column, set after the writer has given its word. (Set together with it, in one
// statement, it is seen without the word: the tests hold against that.)
package postgres
