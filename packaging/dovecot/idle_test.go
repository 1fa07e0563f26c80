// Package dovecot_test tries idle/instant_idle.c with the machine's own Dovecot.
package dovecot_test

import (
	"bufio"
	"fmt"
	"net"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// hibernateAfter is imap_hibernate_timeout, which is in whole seconds.
const hibernateAfter = time.Second

// TestInstantIdle shows that a preloaded imap process reports new mail without
// Dovecot's wait of half a second.
func TestInstantIdle(t *testing.T) {
	d := start(t, compile(t))
	best := time.Hour
	for i := range 5 {
		c := d.idle(t, fmt.Sprintf("instant%d", i))
		sent := time.Now()
		d.deliver(t, c.user)
		if !c.hears(t) {
			t.Fatal("new mail was not reported")
		}
		best = min(best, time.Since(sent))
	}
	if best >= 500*time.Millisecond {
		t.Errorf("the fastest report of 5 took %v, as if nothing were preloaded", best)
	}
	t.Logf("fastest report of 5: %v", best)
}

// TestHibernationBoundary delivers while the imap process is held, until its time
// to hibernate has come: when it goes on, it finds both to do at once. Dovecot
// alone hibernates and forgets the mail; preloaded it must not.
func TestHibernationBoundary(t *testing.T) {
	for _, test := range []struct {
		name, library string
		loses         bool
	}{
		{"stock", "", true},
		{"preloaded", compile(t), false},
	} {
		t.Run(test.name, func(t *testing.T) {
			d := start(t, test.library)
			for i := range 3 {
				c := d.idle(t, fmt.Sprintf("boundary%d", i))
				imap := d.imapProcess(t)
				signal(t, imap, syscall.SIGSTOP)
				d.deliver(t, c.user)
				time.Sleep(hibernateAfter + 100*time.Millisecond) // its clock runs on
				signal(t, imap, syscall.SIGCONT)
				heard := c.hears(t)
				if !heard && !test.loses {
					t.Error("new mail woke nobody")
				}
				if heard && test.loses {
					t.Log("this Dovecot keeps the mail by itself: instant_idle.c need not")
				}
				c.conn.Close()
			}
		})
	}
}

// TestHibernates shows that a session without news hibernates still, and that mail
// wakes it.
func TestHibernates(t *testing.T) {
	d := start(t, compile(t))
	c := d.idle(t, "sleeper")
	d.deliver(t, c.user)
	if !c.hears(t) {
		t.Fatal("new mail was not reported")
	}
	await(t, "the session's hibernation", func() bool { return len(d.imapProcesses(t)) == 0 })
	d.deliver(t, c.user)
	if !c.hears(t) {
		t.Error("new mail did not wake a hibernated session")
	}
}

type instance struct {
	folder string
	port   int
	master int
	mails  int
}

// start runs Dovecot in a folder of its own, with library preloaded into imap.
func start(t *testing.T, library string) *instance {
	t.Helper()
	dovecot, err := exec.LookPath("dovecot")
	if err != nil || os.Getuid() != 0 {
		t.Skip("SKIPPED: it needs root and Debian's dovecot-imapd")
	}
	nobody, err := user.Lookup("nobody")
	if err != nil {
		t.Fatal(err)
	}
	// Not t.TempDir: a socket's path may have 107 octets, and nobody must get in.
	folder, err := os.MkdirTemp("", "dovecot")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(folder) })
	mail := filepath.Join(folder, "mail")
	uid, _ := strconv.Atoi(nobody.Uid)
	for _, err := range []error{os.Chmod(folder, 0o755), os.Mkdir(mail, 0o755), os.Chown(mail, uid, -1)} {
		if err != nil {
			t.Fatal(err)
		}
	}
	d := &instance{folder: folder, port: freePort(t)}
	imap := "imap"
	if library != "" {
		imap = "/usr/bin/env LD_PRELOAD=" + library + " /usr/lib/dovecot/imap"
	}
	conf := filepath.Join(folder, "dovecot.conf")
	text := fmt.Sprintf(config, folder, d.port, nobody.Uid, nobody.Gid, hibernateAfter/time.Second, imap)
	if err := os.WriteFile(conf, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(dovecot, "-F", "-c", conf)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	d.master = cmd.Process.Pid
	t.Cleanup(func() {
		signal(t, d.master, syscall.SIGTERM)
		cmd.Wait()
		if t.Failed() {
			log, _ := os.ReadFile(filepath.Join(folder, "log"))
			t.Logf("Dovecot's log:\n%s", log)
		}
	})
	return d
}

const config = `
base_dir = %[1]s/run
state_dir = %[1]s/state
log_path = %[1]s/log
protocols = imap
listen = 127.0.0.1
ssl = no
disable_plaintext_auth = no
service imap-login {
  inet_listener imap {
    port = %[2]d
  }
  inet_listener imaps {
    port = 0
  }
}
passdb {
  driver = static
  args = nopassword=y
}
userdb {
  driver = static
  args = uid=%[3]s gid=%[4]s home=%[1]s/mail/%%u
}
first_valid_uid = 1
first_valid_gid = 1
mail_location = maildir:~
imap_hibernate_timeout = %[5]ds
service imap {
  executable = %[6]s
  unix_listener imap-master {
    mode = 0666
  }
}
service imap-hibernate {
  unix_listener imap-hibernate {
    mode = 0666
  }
}
`

// compile makes the library with the machine's compiler.
func compile(t *testing.T) string {
	t.Helper()
	if _, err := exec.LookPath("gcc"); err != nil {
		t.Skip("SKIPPED: it needs gcc")
	}
	folder, err := os.MkdirTemp("", "idle")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(folder) })
	if err := os.Chmod(folder, 0o755); err != nil {
		t.Fatal(err)
	}
	library := filepath.Join(folder, "instant-idle.so")
	out, err := exec.Command("gcc", "-O2", "-Wall", "-Wextra", "-Werror", "-fPIC", "-shared",
		"-o", library, "idle/instant_idle.c").CombinedOutput()
	if err != nil {
		t.Fatalf("gcc: %v\n%s", err, out)
	}
	return library
}

// deliver does what LMTP does in the end: it moves a file into new/.
func (d *instance) deliver(t *testing.T, user string) {
	t.Helper()
	d.mails++
	name := fmt.Sprintf("%d.M%d.test", time.Now().Unix(), d.mails)
	maildir := filepath.Join(d.folder, "mail", user)
	tmp := filepath.Join(maildir, "tmp", name)
	if err := os.WriteFile(tmp, []byte("Subject: [...]\r\n\r\nhello\r\n"), 0o666); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(tmp, 0o666); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(tmp, filepath.Join(maildir, "new", name)); err != nil {
		t.Fatal(err)
	}
}

// imapProcesses returns the imap processes of this instance.
func (d *instance) imapProcesses(t *testing.T) (pids []int) {
	t.Helper()
	stats, _ := filepath.Glob("/proc/[0-9]*/stat")
	for _, stat := range stats {
		text, err := os.ReadFile(stat)
		if err != nil {
			continue // it has ended
		}
		var pid, parent int
		var name, state string
		fmt.Sscan(string(text), &pid, &name, &state, &parent)
		if name == "(imap)" && parent == d.master {
			pids = append(pids, pid)
		}
	}
	return pids
}

func (d *instance) imapProcess(t *testing.T) int {
	t.Helper()
	pids := d.imapProcesses(t)
	if len(pids) != 1 {
		t.Fatalf("got %d imap processes, want 1", len(pids))
	}
	return pids[0]
}

type client struct {
	user  string
	conn  net.Conn
	lines *bufio.Reader
}

// idle logs in and waits in IDLE.
func (d *instance) idle(t *testing.T, user string) *client {
	t.Helper()
	c := &client{user: user}
	await(t, "Dovecot's port", func() bool {
		conn, err := net.Dial("tcp", fmt.Sprintf("127.0.0.1:%d", d.port))
		if err == nil {
			c.conn, c.lines = conn, bufio.NewReader(conn)
		}
		return err == nil
	})
	t.Cleanup(func() { c.conn.Close() })
	fmt.Fprintf(c.conn, "a LOGIN %s x\r\nb SELECT INBOX\r\nc IDLE\r\n", user)
	if !c.reads(t, "+ idling", 20*time.Second) {
		t.Fatal("the session does not idle")
	}
	return c
}

// hears reports whether the client is told of new mail. Without a report after 3 s
// there is none: the slowest way there is, Dovecot's wait, takes half a second.
func (c *client) hears(t *testing.T) bool {
	t.Helper()
	return c.reads(t, "EXISTS", 3*time.Second)
}

func (c *client) reads(t *testing.T, want string, within time.Duration) bool {
	t.Helper()
	if err := c.conn.SetReadDeadline(time.Now().Add(within)); err != nil {
		t.Fatal(err)
	}
	for {
		line, err := c.lines.ReadString('\n')
		if err != nil {
			return false
		}
		if strings.Contains(line, want) {
			return true
		}
	}
}

func await(t *testing.T, what string, done func() bool) {
	t.Helper()
	for end := time.Now().Add(20 * time.Second); time.Now().Before(end); time.Sleep(5 * time.Millisecond) {
		if done() {
			return
		}
	}
	t.Fatalf("waited 20 s in vain for %s", what)
}

func signal(t *testing.T, pid int, s syscall.Signal) {
	t.Helper()
	if err := syscall.Kill(pid, s); err != nil {
		t.Fatalf("signal %v to %d: %v", s, pid, err)
	}
}

func freePort(t *testing.T) int {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port
}
