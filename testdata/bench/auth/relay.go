package main

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
	"time"

	"chatmaild/auth"
)

const (
	domain   = "bench.test"
	password = "a long and random one"
	oldUsers = 100_000 // with SHA512-CRYPT, of the Python relay
	newUsers = 500     // with bcrypt, all remembered
	unseen   = 5000    // with bcrypt, and with a true SHA512-CRYPT, none seen before
)

// relay is what is measured.
type relay struct {
	dir, binary         string
	doveauth, lastlogin *daemon
}

func startRelay(binary, dir string) (r *relay, err error) {
	if dir == "" {
		if dir, err = os.MkdirTemp("", "bench-auth"); err != nil {
			return nil, err
		}
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
	for name, d := range map[string]**daemon{"doveauth": &r.doveauth, "lastlogin": &r.lastlogin} {
		if *d, err = startDaemon(r.binary, name, dir); err != nil {
			return nil, err
		}
	}
	return r, nil
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
	for i := range newUsers {
		if err := account(filepath.Join(mail, userName("new", i)), stored); err != nil {
			return err
		}
	}
	return r.giveToVmail(mail)
}

// prepareUnseen writes the accounts that only logins through Dovecot use.
func (r *relay) prepareUnseen() error {
	bcrypt, err := auth.Hash(password, auth.MinCost)
	if err != nil {
		return err
	}
	crypt, err := exec.Command("doveadm", "pw", "-s", "SHA512-CRYPT", "-p", password).Output()
	if err != nil {
		return fmt.Errorf("doveadm pw: %w", err)
	}
	mail := filepath.Join(r.dir, "mail")
	for i := range unseen {
		if err := account(filepath.Join(mail, userName("fresh", i)), bcrypt); err != nil {
			return err
		}
		if err := account(filepath.Join(mail, userName("crypt", i)), strings.TrimSpace(string(crypt))); err != nil {
			return err
		}
	}
	return r.giveToVmail(mail)
}

func userName(kind string, i int) string { return fmt.Sprintf("%s%06d@%s", kind, i, domain) }

func account(home, stored string) error {
	if err := os.MkdirAll(home, 0o700); err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(home, "password"), []byte(stored), 0o600)
}

// giveToVmail makes the mailboxes Dovecot's, if that user is there to be measured,
// and waits until the disk has all: its writing is not to be measured.
func (r *relay) giveToVmail(mail string) error {
	defer syscall.Sync()
	vmail, err := user.Lookup("vmail")
	if err != nil || os.Geteuid() != 0 {
		return nil
	}
	return exec.Command("chown", "-R", vmail.Uid+":"+vmail.Gid, mail).Run()
}

func (r *relay) stop() {
	r.doveauth.stop()
	r.lastlogin.stop()
	if strings.Contains(r.dir, "bench-auth") {
		os.RemoveAll(r.dir)
	}
}

// iterate walks over all users as "doveadm user '*'" does.
func (r *relay) iterate() (n int, took time.Duration, err error) {
	c, err := net.Dial("unix", r.doveauth.socket)
	if err != nil {
		return 0, 0, err
	}
	defer c.Close()
	start := time.Now()
	if _, err := c.Write([]byte("H3\t2\t0\t\tauth\nI0\t0\tshared/userdb/\t\n")); err != nil {
		return 0, 0, err
	}
	for in := bufio.NewScanner(c); in.Scan() && in.Text() != ""; n++ {
	}
	return n, time.Since(start), nil
}

// memory is doveauth's share of the machine's memory, in MiB.
func (r *relay) memory() float64 {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/smaps_rollup", r.doveauth.cmd.Process.Pid))
	if err != nil {
		return 0
	}
	for line := range strings.Lines(string(text)) {
		if value, ok := strings.CutPrefix(line, "Pss:"); ok {
			kib, _ := strconv.ParseFloat(strings.Fields(value)[0], 64)
			return kib / 1024
		}
	}
	return 0
}

// daemon is a running applet.
type daemon struct {
	cmd    *exec.Cmd
	socket string
}

func startDaemon(binary, name, dir string) (*daemon, error) {
	d := &daemon{
		cmd:    exec.Command(binary, name, "--config", filepath.Join(dir, "chatmail.toml")),
		socket: filepath.Join(dir, "run", name+".socket"),
	}
	return d, d.start(filepath.Join(dir, name+".log"), 30*time.Second)
}

// start returns once the daemon answers.
func (d *daemon) start(logFile string, atMost time.Duration) error {
	log, err := os.Create(logFile)
	if err != nil {
		return err
	}
	defer log.Close()
	d.cmd.Stderr = log
	if err := d.cmd.Start(); err != nil {
		return err
	}
	for end := time.Now().Add(atMost); ; time.Sleep(10 * time.Millisecond) {
		c, err := net.Dial("unix", d.socket)
		if err == nil {
			c.Close()
			return nil
		}
		if time.Now().After(end) {
			d.stop()
			return fmt.Errorf("%s does not answer: %w", d.cmd.Path, err)
		}
	}
}

func (d *daemon) stop() {
	_ = d.cmd.Process.Signal(syscall.SIGTERM)
	_ = d.cmd.Wait()
}

// cpu is the processor time that the daemon has used, to 10 ms (proc(5)).
func (d *daemon) cpu() time.Duration {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", d.cmd.Process.Pid))
	if err != nil {
		return 0
	}
	_, after, _ := strings.Cut(string(text), ") ")
	fields := strings.Fields(after)
	user, _ := strconv.ParseInt(fields[11], 10, 64)
	system, _ := strconv.ParseInt(fields[12], 10, 64)
	return time.Duration(user+system) * 10 * time.Millisecond
}
