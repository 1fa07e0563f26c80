package postgres

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgconn"

	"chatmaild/store/directory/directorytest"
)

// patience is for a machine with much else to do, which is no fault.
const patience = 5 * time.Minute

// instance is a PostgreSQL server on a socket in a directory of its own.
type instance struct {
	t         *testing.T
	bin, dir  string // of the programs; of the data
	sockets   string
	port      int // of the socket's name
	privilege *syscall.SysProcAttr
}

// servers makes two of them: a writer, and a standby whose name is b.
func servers(t *testing.T) (writer, standby *instance) {
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
	writer = &instance{t: t, bin: slices.Max(bins), dir: dir + "/a", sockets: dir, port: 5431}
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
	writer.run("initdb", "-D", writer.dir, "-U", "owner", "-A", "trust", "--no-sync", "--locale=C.UTF-8")
	writer.configure("unix_socket_directories = '" + dir + "'\nlisten_addresses = ''\nfsync = off\nshared_buffers = 16MB\n")
	writer.start()
	standby = &instance{}
	*standby = *writer
	standby.dir, standby.port = dir+"/b", 5432
	standby.run("pg_basebackup", "-D", standby.dir, "-R", "-c", "fast", "-d", writer.address("owner")+" application_name=b")
	standby.start()
	if err := Migrate(t.Context(), writer.address("owner")); err != nil {
		t.Fatal(err)
	}
	writer.must("CREATE ROLE reading LOGIN IN ROLE chatmaild_reader; CREATE ROLE writing LOGIN IN ROLE chatmaild_writer")
	writer.must("ALTER SYSTEM SET synchronous_standby_names = 'ANY 1 (b)'")
	writer.must("SELECT pg_reload_conf()")
	writer.await("SELECT FROM pg_stat_replication WHERE sync_state = 'quorum'")
	return writer, standby
}

func (s *instance) run(program string, args ...string) {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	cmd := exec.CommandContext(ctx, filepath.Join(s.bin, program), args...)
	cmd.Dir, cmd.SysProcAttr = s.sockets, s.privilege
	if out, err := cmd.CombinedOutput(); err != nil {
		log, _ := os.ReadFile(s.dir + ".log")
		s.t.Fatalf("%s: %v: %s%s", program, err, out, log)
	}
}

func (s *instance) configure(text string) {
	s.t.Helper()
	f, err := os.OpenFile(s.dir+"/postgresql.conf", os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		s.t.Fatal(err)
	}
	defer f.Close()
	if _, err := f.WriteString(text); err != nil {
		s.t.Fatal(err)
	}
}

func (s *instance) start() {
	s.t.Helper()
	s.run("pg_ctl", "start", "-w", "-D", s.dir, "-l", s.dir+".log", "-o", fmt.Sprintf("-p %d", s.port))
	s.t.Cleanup(func() {
		if _, err := os.Stat(s.dir + "/postmaster.pid"); err == nil {
			s.stop()
		}
	})
}

// stop ends it as a crash does.
func (s *instance) stop() {
	s.t.Helper()
	s.run("pg_ctl", "stop", "-w", "-m", "immediate", "-D", s.dir)
}

func (s *instance) address(role string) string {
	return fmt.Sprintf("host=%s port=%d user=%s dbname=postgres", s.sockets, s.port, role)
}

// sql runs statements as the owner, and returns how many rows the last one has.
func (s *instance) sql(text string) (int, error) {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	conn, err := pgconn.Connect(ctx, s.address("owner"))
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

func (s *instance) must(text string) {
	s.t.Helper()
	if _, err := s.sql(text); err != nil {
		s.t.Fatal(err)
	}
}

// await asks until the answer has a row.
func (s *instance) await(text string) {
	s.t.Helper()
	var err error
	for end := time.Now().Add(patience); time.Now().Before(end); {
		var n int
		if n, err = s.sql(text); n > 0 {
			return
		}
	}
	s.t.Fatalf("no row of: %s: %v", text, err)
}

// waits has the deadline of a server be another one.
func (s *server) waits(d time.Duration) { s.deadline, s.config.ConnectTimeout = d, d/2 }

// open returns the directory as a machine has it whose copy is that of s.
func (s *instance) open(writers ...*instance) *Directory {
	s.t.Helper()
	var hosts, ports []string
	for _, w := range writers {
		hosts, ports = append(hosts, w.sockets), append(ports, strconv.Itoa(w.port))
	}
	d, err := Open(Options{
		Domain: directorytest.Domain, Copy: s.address("reading"), Now: time.Now,
		Writer: fmt.Sprintf("host=%s port=%s user=writing dbname=postgres target_session_attrs=read-write",
			strings.Join(hosts, ","), strings.Join(ports, ",")),
	})
	if err != nil {
		s.t.Fatal(err)
	}
	d.copy.waits(patience)
	d.writer.waits(patience)
	s.t.Cleanup(d.Close)
	return d
}
