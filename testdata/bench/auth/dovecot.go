package main

import (
	"bufio"
	"encoding/base64"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"time"
)

// dovecotConf is a Dovecot that only authenticates.
const dovecotConf = `protocols =
base_dir = %[1]s/dovecot
state_dir = %[1]s/dovecot-state
log_path = %[1]s/dovecot.log
auth_mechanisms = plain
ssl = no
passdb {
  driver = dict
  args = %[1]s/dict-auth.conf
}
userdb {
  driver = dict
  args = %[1]s/dict-auth.conf
}
service auth-worker {
  user = root
}
service anvil {
  unix_listener anvil-auth-penalty {
    mode = 0
  }
}
`

// loginsAtOnce is how many logins one client has under way: as many as there are
// auth workers.
const loginsAtOnce = 30

// throughDovecot measures logins of accounts that doveauth has seen since it was
// started, that it has not, and that Dovecot itself checks.
func (r *relay) throughDovecot(dir string, length time.Duration) error {
	if err := r.prepareUnseen(); err != nil {
		return err
	}
	tmpl, err := os.ReadFile("packaging/dovecot/dict-auth.conf.tmpl")
	if err != nil {
		return err
	}
	dict := strings.ReplaceAll(string(tmpl), `{{.Socket "doveauth"}}`, r.doveauth.socket)
	for name, text := range map[string]string{"dict-auth.conf": dict, "dovecot.conf": fmt.Sprintf(dovecotConf, dir)} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			return err
		}
	}
	dovecot := exec.Command("dovecot", "-F", "-c", filepath.Join(dir, "dovecot.conf"))
	if err := dovecot.Start(); err != nil {
		return err
	}
	defer func() {
		_ = dovecot.Process.Signal(syscall.SIGTERM)
		_ = dovecot.Wait()
	}()
	socket := filepath.Join(dir, "dovecot", "auth-client")
	for end := time.Now().Add(10 * time.Second); ; time.Sleep(50 * time.Millisecond) {
		if c, err := net.Dial("unix", socket); err == nil {
			c.Close()
			break
		} else if time.Now().After(end) {
			return err
		}
	}
	fmt.Println("\nlogins through Dovecot:")
	for _, l := range []struct {
		name, kind string
		users      int
	}{
		{"seen before, from memory", "new", newUsers},
		{"not seen, bcrypt", "fresh", unseen},
		{"SHA512-CRYPT, Dovecot's own check", "crypt", unseen},
	} {
		cpu := r.doveauth.cpu()
		n, seconds, err := logins(socket, l.kind, l.users, length)
		if err != nil {
			return fmt.Errorf("%s: %w", l.name, err)
		}
		fmt.Printf("%-36s %6.0f a second, doveauth's CPU %.2f ms each\n", l.name, float64(n)/seconds,
			(r.doveauth.cpu()-cpu).Seconds()*1000/float64(max(n, 1)))
	}
	return nil
}

// logins sends PLAIN logins as an auth client does (doc.dovecot.org, "Dovecot
// Authentication Protocol"), and counts their answers.
func logins(socket, kind string, users int, length time.Duration) (n int, seconds float64, err error) {
	c, err := net.Dial("unix", socket)
	if err != nil {
		return 0, 0, err
	}
	defer c.Close()
	var mu sync.Mutex
	send := func(text string) error {
		mu.Lock()
		defer mu.Unlock()
		_, err := c.Write([]byte(text))
		return err
	}
	if err := send(fmt.Sprintf("VERSION\t1\t2\nCPID\t%d\n", os.Getpid())); err != nil {
		return 0, 0, err
	}
	in := bufio.NewScanner(c)
	for in.Scan() && in.Text() != "DONE" {
	}
	id := 0
	next := func() error {
		id++
		name := userName(kind, id%users)
		plain := base64.StdEncoding.EncodeToString([]byte("\x00" + name + "\x00" + password))
		return send(fmt.Sprintf("AUTH\t%d\tPLAIN\tservice=imap\tsecured\trip=192.0.2.1\tresp=%s\n", id, plain))
	}
	start := time.Now()
	for range loginsAtOnce {
		if err := next(); err != nil {
			return 0, 0, err
		}
	}
	for time.Since(start) < length && in.Scan() {
		verdict, _, _ := strings.Cut(in.Text(), "\t")
		if verdict != "OK" {
			return n, 0, fmt.Errorf("answered with %q", in.Text())
		}
		n++
		if err := next(); err != nil {
			return n, 0, err
		}
	}
	return n, time.Since(start).Seconds(), in.Err()
}
