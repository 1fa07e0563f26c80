package main

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"

	"chatmaild/testdata/kit/measure"
	"chatmaild/testdata/kit/pki"
)

// dovecotConf is a Dovecot 2.3 that lets users in, and no more. Values: directory, port, and the
// sockets for look-ups, for imap-login and for imap.
const dovecotConf = `protocols = imap
listen = 127.0.0.1
base_dir = %[1]s/dovecot
state_dir = %[1]s/dovecot-state
log_path = %[1]s/dovecot.log
auth_socket_path = %[3]s
mail_uid = mail
mail_gid = mail
first_valid_uid = 1
first_valid_gid = 1
mail_home = %[1]s/mail/%%u
mail_location = maildir:~
ssl = required
ssl_cert = <%[1]s/cert.pem
ssl_key = <%[1]s/key.pem
service imap-login {
  chroot =
  executable = imap-login %[4]s
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
  executable = imap -a %[5]s
  process_limit = 4096
}
`

const imapsPort = 19993

// canDovecot reports whether there is a Dovecot that can be measured.
func canDovecot() bool {
	_, err := exec.LookPath("dovecot")
	return err == nil && os.Geteuid() == 0
}

// startDovecot starts a Dovecot that asks the daemon, and returns once it lets users in.
func (r *relay) startDovecot(auth *daemon) (*measure.Process, error) {
	if err := writeCertificate(r.dir); err != nil {
		return nil, err
	}
	// imap-login is user dovenull.
	if err := os.Chmod(auth.at("auth-login"), 0o666); err != nil {
		return nil, err
	}
	conf := filepath.Join(r.dir, "dovecot.conf")
	text := fmt.Appendf(nil, dovecotConf, r.dir, imapsPort, auth.at("auth-userdb"), auth.at("auth-login"), auth.at("auth-master"))
	if err := os.WriteFile(conf, text, 0o644); err != nil {
		return nil, err
	}
	return measure.Start(exec.Command("dovecot", "-F", "-c", conf), func() error { return imapLogin(userName("seen", 0)) })
}

func writeCertificate(dir string) error {
	cert, key, err := pki.NewPEM("bench.test")
	if err != nil {
		return err
	}
	return errors.Join(os.WriteFile(filepath.Join(dir, "cert.pem"), cert, 0o600), os.WriteFile(filepath.Join(dir, "key.pem"), key, 0o600))
}
