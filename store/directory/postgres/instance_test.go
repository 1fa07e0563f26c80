package postgres

import (
	"fmt"
	"strconv"
	"strings"
	"testing"
	"time"

	"chatmaild/store/directory/directorytest"
	"chatmaild/testdata/kit/postgrestest"
)

// patience is for a machine with much else to do, which is no fault.
const patience = postgrestest.Patience

// instance is a PostgreSQL server on a socket.
type instance = postgrestest.Instance

// servers are a writer and its copy.
func servers(t testing.TB) (writer, standby *instance) { return postgrestest.Servers(t, Migrate) }

// waits has the deadline of a server be another one.
func (s *server) waits(d time.Duration) { s.deadline, s.connecting = d, d/2 }

// open returns the directory as a machine has it whose copy is s.
func open(t testing.TB, s *instance, writers ...*instance) *Directory {
	t.Helper()
	var hosts, ports []string
	for _, w := range writers {
		hosts, ports = append(hosts, w.Sockets), append(ports, strconv.Itoa(w.Port))
	}
	d, err := Open(Options{
		Domain: directorytest.Domain, Copy: s.Address("reading"), Now: time.Now,
		Writer: fmt.Sprintf("host=%s port=%s user=writing dbname=postgres target_session_attrs=read-write",
			strings.Join(hosts, ","), strings.Join(ports, ",")),
	})
	if err != nil {
		t.Fatal(err)
	}
	d.copy.waits(patience)
	d.writer.waits(patience)
	t.Cleanup(d.Close)
	return d
}
