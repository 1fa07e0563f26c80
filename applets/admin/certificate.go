package admin

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"time"

	"chatmaild/applets/acme/renewal"
	"chatmaild/applets/admin/host"
	"chatmaild/applets/admin/wanted"
	"chatmaild/applets/command"
	"chatmaild/applets/config"
	"chatmaild/applets/keys"
)

const (
	// pairTimeout is how long the second file of a pair may come after the
	// first one when somebody replaces both.
	pairTimeout = 10 * time.Second
	pairPoll    = 200 * time.Millisecond

	// issueTimeout is how long run waits for the first certificate.
	issueTimeout = 60 * time.Second
	issuePoll    = 500 * time.Millisecond
)

// tlsServers are the programs that read the certificate.
var tlsServers = []string{wanted.Postfix, wanted.Dovecot, wanted.Nginx}

// ReloadCertificate has the servers that run take the certificate anew, once it
// and its key can serve. A pair that cannot would stop them all from working;
// they keep the one that they have.
func ReloadCertificate(ctx context.Context, conf *config.Config, log *slog.Logger) error {
	machine := host.Host{}
	paths := certificatePaths(conf)
	until, cancel := context.WithTimeout(ctx, pairTimeout)
	defer cancel()
	var pair *keys.Certificate
	err := poll(until, pairPoll, func() (done bool, err error) {
		pair, err = readPair(machine, paths)
		if err == nil {
			err = pair.Check(conf.MailDomain, time.Now())
		}
		return err == nil, err
	})
	if err != nil {
		return command.WithHint(fmt.Errorf("%s cannot be used, the servers keep the former one: %w", paths.Certificate, err),
			"put a certificate for %s there, and its key in %s", conf.MailDomain, paths.PrivateKey)
	}
	// A server that is off, as after run --disable-mail, stays off.
	if err := machine.Systemctl(ctx, "try-reload-or-restart", tlsServers...); err != nil {
		return err
	}
	log.Info("the servers have the certificate", "valid_until", pair.NotAfter.UTC())
	return nil
}

// certificatePaths says where the configuration has certificate and key.
func certificatePaths(conf *config.Config) wanted.Paths {
	if cert, key, ok := conf.ExternalTLS(); ok {
		return wanted.Paths{Certificate: cert, PrivateKey: key}
	}
	if conf.ACME() {
		folder := renewal.Folder(conf.ACMEDir())
		return wanted.Paths{Certificate: folder.Certificate(), PrivateKey: folder.PrivateKey()}
	}
	return wanted.Paths{Certificate: wanted.TLSFolder + "/fullchain.pem", PrivateKey: wanted.TLSFolder + "/privkey.pem"}
}

func readPair(machine host.Host, paths wanted.Paths) (*keys.Certificate, error) {
	cert, err1 := machine.ReadFile(paths.Certificate)
	key, err2 := machine.ReadFile(paths.PrivateKey)
	if err := errors.Join(err1, err2); err != nil {
		return nil, err
	}
	return keys.ParsePair(cert, key)
}

// acmeState is what the acme daemon says of itself; nothing if it never ran.
func acmeState(machine host.Host, conf *config.Config) (renewal.State, error) {
	text, err := machine.ReadFile(renewal.Folder(conf.ACMEDir()).StateFile())
	if errors.Is(err, fs.ErrNotExist) {
		return renewal.State{}, nil
	}
	if err != nil {
		return renewal.State{}, err
	}
	return renewal.ParseState(text)
}

// awaitCertificate waits until the authority has given a certificate, or has
// said no since start. The relay works either way, but clients refuse it until
// there is one.
func awaitCertificate(ctx context.Context, conf *config.Config, machine host.Host, start time.Time, progress io.Writer) error {
	if hasCertificate(conf, machine) {
		return nil
	}
	fmt.Fprintf(progress, "  wait for the certificate authority (up to %v)\n", issueTimeout)
	until, cancel := context.WithTimeout(ctx, issueTimeout)
	defer cancel()
	var refused *renewal.Problem
	err := poll(until, issuePoll, func() (bool, error) {
		if hasCertificate(conf, machine) {
			return true, nil
		}
		state, err := acmeState(machine, conf)
		if err == nil && state.Problem != nil && state.Asked.After(start) {
			refused = state.Problem
			return true, nil
		}
		return false, errors.New("it has not answered yet")
	})
	switch {
	case refused != nil:
		return command.WithHint(fmt.Errorf("no certificate: %s", refused.Detail), "%s", refused.Advice())
	case err != nil:
		return command.WithHint(fmt.Errorf("no certificate within %v: %w", issueTimeout, err),
			"it is tried again by itself; chatmaild status says how it went")
	}
	fmt.Fprintf(progress, "  there is a certificate for %s\n", conf.MailDomain)
	return nil
}

// hasCertificate reports whether an authority has given a certificate that serves.
func hasCertificate(conf *config.Config, machine host.Host) bool {
	pair, err := readPair(machine, certificatePaths(conf))
	return err == nil && !pair.SelfSigned() && pair.Check(conf.MailDomain, time.Now()) == nil
}

// poll calls check until it is done, or ctx is; then it returns check's last
// error.
func poll(ctx context.Context, every time.Duration, check func() (done bool, err error)) error {
	for {
		done, err := check()
		if done {
			return nil
		}
		select {
		case <-ctx.Done():
			return err
		case <-time.After(every):
		}
	}
}
