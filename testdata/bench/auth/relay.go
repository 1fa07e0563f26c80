package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"chatmaild/auth"
	"chatmaild/testdata/kit/measure"
)

const (
	domain   = "bench.test"
	password = "a long and random one"
	oldUsers = 100_000 // with SHA512-CRYPT, of the Python relay
	newUsers = 500     // with bcrypt, all remembered
	seen     = 2000    // with bcrypt, of logins through Dovecot
)

// relay is what is measured.
type relay struct {
	dir, binary         string
	doveauth, lastlogin *daemon
}

func startRelay(binary string) (r *relay, err error) {
	dir, err := os.MkdirTemp("", "bench-auth")
	if err != nil {
		return nil, err
	}
	if err := os.Chmod(dir, 0o711); err != nil { // Dovecot's users pass through
		return nil, err
	}
	r = &relay{dir: dir, binary: binary}
	if binary == "" {
		r.binary = filepath.Join(dir, "chatmaild")
		build := exec.Command("go", "build", "-o", r.binary, ".")
		if out, err := build.CombinedOutput(); err != nil {
			return nil, fmt.Errorf("building: %w: %s", err, out)
		}
	}
	if err := r.prepare(); err != nil {
		return nil, err
	}
	if r.doveauth, err = startDaemon(r.binary, "doveauth", dir, sasl.socket); err != nil {
		return nil, err
	}
	r.lastlogin, err = startDaemon(r.binary, "lastlogin", dir, lastlogin.socket)
	return r, err
}

// prepare writes the configuration and the accounts.
func (r *relay) prepare() error {
	mail := filepath.Join(r.dir, "mail")
	text := fmt.Sprintf(`mail_domain = %q
mailboxes_dir = %q
state_dir = %q
runtime_dir = %q
nocreate_file = "%s/nocreate"
username_max_length = 20
max_load_1m = 1000000.0
max_registrations_per_minute = 1000000000
max_network_registrations_per_hour = 1000000000
`, domain, mail, r.dir, filepath.Join(r.dir, "run"), r.dir)
	if err := os.WriteFile(filepath.Join(r.dir, "chatmail.toml"), []byte(text), 0o644); err != nil {
		return err
	}
	stored, err := auth.Hash(password, auth.MinCost)
	if err != nil {
		return err
	}
	const sha512crypt = "{SHA512-CRYPT}$6$rounds=5000$benchbenchbench$aFakeHashOfTheRightLengthThatNobodyChecksHere.0123456789012345678901234567890123456789"
	for i := range oldUsers {
		if err := account(filepath.Join(mail, userName("old", i)), sha512crypt); err != nil {
			return err
		}
	}
	for kind, n := range map[string]int{"new": newUsers, "seen": seen} {
		for i := range n {
			if err := account(filepath.Join(mail, userName(kind, i)), stored); err != nil {
				return err
			}
		}
	}
	return r.giveToDovecot(mail)
}

func userName(kind string, i int) string { return fmt.Sprintf("%s%06d@%s", kind, i, domain) }

func account(home, stored string) error {
	if err := os.MkdirAll(home, 0o700); err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(home, "password"), []byte(stored), 0o600)
}

// giveToDovecot makes the mailboxes those of user mail, if Dovecot is to be measured, and
// waits until the disk has all: its writing is not to be measured.
func (r *relay) giveToDovecot(mail string) error {
	defer syscall.Sync()
	if !canDovecot() {
		return nil
	}
	return exec.Command("chown", "-R", "mail:mail", mail).Run()
}

func (r *relay) stop() {
	r.doveauth.Stop()
	r.lastlogin.Stop()
	os.RemoveAll(r.dir)
}

// iterate lists all users as "doveadm user '*'" does.
func (r *relay) iterate() (n int, took time.Duration, err error) {
	c, in, err := userdb.dial(r.doveauth.at(userdb.socket))
	if err != nil {
		return 0, 0, err
	}
	defer c.Close()
	start := time.Now()
	if _, err := c.Write([]byte("LIST\t1\tuser=*\n")); err != nil {
		return 0, 0, err
	}
	for ; ; n++ {
		if line, err := in.ReadString('\n'); err != nil || strings.HasPrefix(line, "DONE") {
			return n, time.Since(start), err
		}
	}
}

// daemon is a running applet.
type daemon struct {
	*measure.Process
	dir string // of its sockets
	all string // one socket instead, for whatever is asked
}

// at is where the daemon answers under that name.
func (d *daemon) at(name string) string {
	if d.all != "" {
		return d.all
	}
	return filepath.Join(d.dir, name+".socket")
}

func startDaemon(binary, name, dir, socket string) (*daemon, error) {
	d := &daemon{dir: filepath.Join(dir, "run")}
	return d, d.start(exec.Command(binary, name, "--config", filepath.Join(dir, "chatmail.toml")), d.at(socket))
}

func (d *daemon) start(cmd *exec.Cmd, socket string) (err error) {
	d.Process, err = measure.Start(cmd, measure.Listening("unix", socket))
	return err
}
