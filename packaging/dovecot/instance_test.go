package dovecot_test

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"chatmaild/testdata/kit/dovecottest"
)

type instance struct {
	dir    string
	port   int
	master int
	mails  int
}

// start runs Dovecot in a directory of its own, with library preloaded into imap.
func start(t *testing.T, library string) *instance {
	t.Helper()
	dir := dovecottest.Dir(t)
	nobody, err := user.Lookup("nobody")
	if err != nil {
		t.Fatal(err)
	}
	mail := filepath.Join(dir, "mail")
	uid, _ := strconv.Atoi(nobody.Uid)
	for _, err := range []error{os.Mkdir(mail, 0o755), os.Chown(mail, uid, -1)} {
		if err != nil {
			t.Fatal(err)
		}
	}
	d := &instance{dir: dir, port: dovecottest.Port(t)}
	imap := "imap"
	if library != "" {
		imap = "/usr/bin/env LD_PRELOAD=" + library + " /usr/lib/dovecot/imap"
	}
	d.master = dovecottest.Start(t, dir, fmt.Sprintf(dovecottest.Choose(t, config23, config24), dir, d.port, nobody.Uid, nobody.Gid, hibernateAfter/time.Second, imap))
	return d
}

const config23 = `
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
  service_count = 100
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

const config24 = `
base_dir = %[1]s/run
state_dir = %[1]s/state
log_path = %[1]s/log
protocols {
  imap = yes
}
listen = 127.0.0.1
ssl = no
auth_allow_cleartext = yes
service imap-login {
  inet_listener imap {
    port = %[2]d
  }
  inet_listener imaps {
    port = 0
  }
}
passdb static {
  fields {
    nopassword = yes
  }
}
userdb static {
  fields {
    uid = %[3]s
    gid = %[4]s
    home = %[1]s/mail/%%{user}
  }
}
first_valid_uid = 1
first_valid_gid = 1
mail_driver = maildir
mail_path = ~
imap_hibernate_timeout = %[5]ds
service imap {
  executable = %[6]s
  restart_request_count = 100
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
	dir, err := os.MkdirTemp("", "idle")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	library := filepath.Join(dir, "instant-idle.so")
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
	maildir := filepath.Join(d.dir, "mail", user)
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

// deliverUnseen delivers and gives the directory the time back that it had.
func (d *instance) deliverUnseen(t *testing.T, user string) {
	t.Helper()
	dir := filepath.Join(d.dir, "mail", user, "new")
	before, err := os.Stat(dir)
	if err != nil {
		t.Fatal(err)
	}
	d.deliver(t, user)
	if err := os.Chtimes(dir, time.Time{}, before.ModTime()); err != nil {
		t.Fatal(err)
	}
}

// waitsForLock delivers to a session in IDLE while someone else has locked the
// mailbox, until it waits for that; then the lock is gone, and the session deletes
// the mail, as Delta Chat does, and idles again.
func (d *instance) waitsForLock(t *testing.T, c *client) {
	t.Helper()
	imap := d.imapProcess(t)
	lock := filepath.Join(d.dir, "mail", c.user, "dovecot-uidlist.lock")
	if err := os.WriteFile(lock, nil, 0o666); err != nil {
		t.Fatal(err)
	}
	d.deliver(t, c.user)
	await(t, "the session to wait for the lock", func() bool { return inotifyDescriptors(imap) == 2 })
	// On a busy machine Dovecot has removed it as stale by now: the session has waited as well.
	if err := os.Remove(lock); err != nil && !errors.Is(err, fs.ErrNotExist) {
		t.Fatal(err)
	}
	if !c.hears(t) {
		t.Fatal("new mail was not reported after a wait for the lock")
	}
	fmt.Fprint(c.conn, "DONE\r\nd UID STORE 1:* +FLAGS (\\Deleted)\r\ne EXPUNGE\r\nf IDLE\r\n")
	if !c.reads(t, "+ idling", idleTimeout) {
		t.Fatal("the session does not idle again")
	}
}

func inotifyDescriptors(pid int) (n int) {
	links, _ := filepath.Glob(fmt.Sprintf("/proc/%d/fd/*", pid))
	for _, link := range links {
		if to, err := os.Readlink(link); err == nil && to == "anon_inode:inotify" {
			n++
		}
	}
	return n
}

// waits reports whether a process has nothing to do: it sleeps (proc(5), stat).
func waits(pid int) bool {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	return err == nil && strings.Contains(string(text), ") S ")
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

// sessions is how many imap processes have one; others wait for the next.
func (d *instance) sessions(t *testing.T) int {
	t.Helper()
	status, err := exec.Command("doveadm", "-c", filepath.Join(d.dir, "dovecot.conf"), "-f", "tab", "service", "status", "imap").Output()
	if err != nil {
		t.Fatal(err)
	}
	busy, err := dovecottest.Busy(string(status))
	if err != nil {
		t.Fatal(err)
	}
	return busy
}

func (d *instance) imapProcess(t *testing.T) int {
	t.Helper()
	pids := d.imapProcesses(t)
	if len(pids) != 1 {
		t.Fatalf("got %d imap processes, want 1", len(pids))
	}
	return pids[0]
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
