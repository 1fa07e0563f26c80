package main

import (
	"crypto/tls"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"chatmaild/applets/chat/imap"
	"chatmaild/applets/keys"
)

// dovecotConf is a Dovecot 2.3 that lets users in, and no more.
const dovecotConf = `protocols = imap
listen = 127.0.0.1
base_dir = %[1]s/dovecot
state_dir = %[1]s/dovecot-state
log_path = %[1]s/dovecot.log
auth_socket_path = %[1]s/run/auth-userdb.socket
mail_uid = vmail
mail_gid = vmail
first_valid_uid = 100
mail_home = %[1]s/mail/%%u
mail_location = maildir:~
ssl = required
ssl_cert = <%[1]s/cert.pem
ssl_key = <%[1]s/key.pem
service imap-login {
  chroot =
  executable = imap-login %[1]s/run/auth-login.socket
  service_count = 0
  process_min_avail = 2
  inet_listener imap {
    port = 0
  }
  inet_listener imaps {
    port = %[2]d
  }
}
service imap {
  executable = imap -a %[1]s/run/auth-master.socket
  process_limit = 4096
}
`

const (
	imapsPort = 19993
	imapConns = 8 // clients at once
)

// throughDovecot measures logins of clients with TLS, from the first byte to the
// OK of LOGIN, which a new imap process sends.
func (r *relay) throughDovecot(dir string, length time.Duration) error {
	if err := writeCertificate(dir); err != nil {
		return err
	}
	// imap-login is user dovenull.
	if err := os.Chmod(r.doveauth.at("auth-login"), 0o666); err != nil {
		return err
	}
	conf := filepath.Join(dir, "dovecot.conf")
	if err := os.WriteFile(conf, fmt.Appendf(nil, dovecotConf, dir, imapsPort), 0o644); err != nil {
		return err
	}
	dovecot := exec.Command("dovecot", "-F", "-c", conf)
	if err := dovecot.Start(); err != nil {
		return err
	}
	defer func() {
		_ = dovecot.Process.Signal(syscall.SIGTERM)
		_ = dovecot.Wait()
	}()
	for end := time.Now().Add(10 * time.Second); ; time.Sleep(50 * time.Millisecond) {
		if err := imapLogin(userName("seen", 0)); err == nil {
			break
		} else if time.Now().After(end) {
			return err
		}
	}
	for i := range seen { // all are to be remembered, and to have their directories
		if err := imapLogin(userName("seen", i)); err != nil {
			return err
		}
	}
	var done atomic.Int64
	var failed atomic.Pointer[error]
	cpu, start := r.doveauth.cpu(), time.Now()
	var clients sync.WaitGroup
	for range imapConns {
		clients.Go(func() {
			for time.Since(start) < length {
				if err := imapLogin(userName("seen", int(done.Add(1))%seen)); err != nil {
					failed.Store(&err)
					return
				}
			}
		})
	}
	clients.Wait()
	if err := failed.Load(); err != nil {
		return *err
	}
	n := float64(done.Load())
	fmt.Printf("\nlogins through imap-login with TLS, %d clients: %.0f a second, doveauth's CPU %.3f ms each (wanted: 0.03)\n",
		imapConns, n/time.Since(start).Seconds(), (r.doveauth.cpu()-cpu).Seconds()*1000/n)
	return nil
}

// loginTimeout is more than any login takes.
const loginTimeout = time.Minute

// imapLogin logs in once.
func imapLogin(user string) error {
	conn, err := tls.Dial("tcp", fmt.Sprintf("127.0.0.1:%d", imapsPort), &tls.Config{InsecureSkipVerify: true})
	if err != nil {
		return err
	}
	defer conn.Close()
	conn.SetDeadline(time.Now().Add(loginTimeout))
	c, err := imap.New(conn)
	if err != nil {
		return err
	}
	return c.Login(user, password)
}

func writeCertificate(dir string) error {
	key, err := keys.New()
	if err != nil {
		return err
	}
	cert, err := keys.SelfSign("bench.test", key, time.Now())
	if err != nil {
		return err
	}
	return errors.Join(os.WriteFile(filepath.Join(dir, "cert.pem"), cert, 0o600), os.WriteFile(filepath.Join(dir, "key.pem"), key, 0o600))
}
