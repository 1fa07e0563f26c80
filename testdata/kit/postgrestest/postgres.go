// Package postgrestest runs PostgreSQL servers, a writer and its standby, for tests.
package postgrestest

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
)

// Patience is for a machine with much else to do, which is no fault.
const Patience = 5 * time.Minute

// Instance is a PostgreSQL server on a socket in a directory of its own.
type Instance struct {
	t         testing.TB
	bin       string // of the programs
	Dir       string // of the data
	Sockets   string
	Port      int // of the socket's name
	privilege *syscall.SysProcAttr
}

// Servers makes two of them: a writer, and a standby whose name is b. Migrate makes the
// schema; the roles reading and writing are members of its groups.
func Servers(t testing.TB, migrate func(ctx context.Context, address string) error) (writer, standby *Instance) {
	t.Helper()
	bins, _ := filepath.Glob("/usr/lib/postgresql/*/bin")
	if len(bins) == 0 {
		t.Skip("SKIPPED: it needs Debian's postgresql")
	}
	// Not t.TempDir: a socket's path may have 107 bytes, and another user must get in.
	dir, err := os.MkdirTemp("", "pg")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	writer = &Instance{t: t, bin: slices.Max(bins), Dir: dir + "/a", Sockets: dir, Port: 5431}
	if os.Getuid() == 0 { // as whom PostgreSQL does not run
		owner, err := user.Lookup("postgres")
		if err != nil {
			t.Fatal(err)
		}
		uid, _ := strconv.ParseUint(owner.Uid, 10, 32)
		gid, _ := strconv.ParseUint(owner.Gid, 10, 32)
		writer.privilege = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}}
		if err := os.Chown(dir, int(uid), int(gid)); err != nil {
			t.Fatal(err)
		}
	}
	writer.Run("initdb", "-D", writer.Dir, "-U", "owner", "-A", "trust", "--no-sync", "--locale=C.UTF-8")
	writer.configure("unix_socket_directories = '" + dir + "'\nlisten_addresses = ''\nfsync = off\nshared_buffers = 16MB\n")
	writer.Start()
	standby = &Instance{}
	*standby = *writer
	standby.Dir, standby.Port = dir+"/b", 5432
	standby.Run("pg_basebackup", "-D", standby.Dir, "-R", "-c", "fast", "-d", writer.Address("owner")+" application_name=b")
	standby.Start()
	if err := migrate(t.Context(), writer.Address("owner")); err != nil {
		t.Fatal(err)
	}
	writer.Must("CREATE ROLE reading LOGIN IN ROLE chatmaild_reader; CREATE ROLE writing LOGIN IN ROLE chatmaild_writer; CREATE ROLE inviting LOGIN IN ROLE chatmaild_inviter; CREATE ROLE certifying LOGIN IN ROLE chatmaild_certifier")
	writer.Must("ALTER SYSTEM SET synchronous_standby_names = 'ANY 1 (b)'")
	writer.Must("SELECT pg_reload_conf()")
	writer.Await("SELECT FROM pg_stat_replication WHERE sync_state = 'quorum'")
	return writer, standby
}

// Run runs one of its programs.
func (s *Instance) Run(program string, args ...string) {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), Patience)
	defer cancel()
	cmd := exec.CommandContext(ctx, filepath.Join(s.bin, program), args...)
	cmd.Dir, cmd.SysProcAttr = s.Sockets, s.privilege
	if out, err := cmd.CombinedOutput(); err != nil {
		log, _ := os.ReadFile(s.Dir + ".log")
		s.t.Fatalf("%s: %v: %s%s", program, err, out, log)
	}
}

func (s *Instance) configure(text string) {
	s.t.Helper()
	f, err := os.OpenFile(s.Dir+"/postgresql.conf", os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		s.t.Fatal(err)
	}
	defer f.Close()
	if _, err := f.WriteString(text); err != nil {
		s.t.Fatal(err)
	}
}

// Start starts it.
func (s *Instance) Start() {
	s.t.Helper()
	s.Run("pg_ctl", "start", "-w", "-D", s.Dir, "-l", s.Dir+".log", "-o", fmt.Sprintf("-p %d", s.Port))
	s.t.Cleanup(func() {
		if _, err := os.Stat(s.Dir + "/postmaster.pid"); err == nil {
			s.Stop()
		}
	})
}

// Stop ends it as a crash does.
func (s *Instance) Stop() {
	s.t.Helper()
	s.Run("pg_ctl", "stop", "-w", "-m", "immediate", "-D", s.Dir)
}

// Address is its connection string for a role.
func (s *Instance) Address(role string) string {
	return fmt.Sprintf("host=%s port=%d user=%s dbname=postgres", s.Sockets, s.Port, role)
}

// SQL runs statements as the owner, and returns how many rows the last one has.
func (s *Instance) SQL(text string) (int, error) {
	ctx, cancel := context.WithTimeout(context.Background(), Patience)
	defer cancel()
	conn, err := pgconn.Connect(ctx, s.Address("owner"))
	if err != nil {
		return 0, err
	}
	defer conn.Close(ctx)
	results, err := conn.Exec(ctx, text).ReadAll()
	if err != nil {
		return 0, err
	}
	return len(results[len(results)-1].Rows), nil
}

// Must is SQL that must not fail.
func (s *Instance) Must(text string) {
	s.t.Helper()
	if _, err := s.SQL(text); err != nil {
		s.t.Fatal(err)
	}
}

// Await asks until the answer has a row.
func (s *Instance) Await(text string) {
	s.t.Helper()
	var err error
	for end := time.Now().Add(Patience); time.Now().Before(end); {
		var n int
		if n, err = s.SQL(text); n > 0 {
			return
		}
	}
	s.t.Fatalf("no row of: %s: %v", text, err)
}
