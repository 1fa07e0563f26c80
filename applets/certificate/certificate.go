// Package certificate is the job that has the servers take a certificate that changed.
package certificate

import (
	"context"
	"flag"
	"fmt"
	"log/slog"
	"time"

	"chatmaild/applets/admin/desired"
	"chatmaild/applets/admin/host"
	"chatmaild/applets/admin/keyfiles"
	"chatmaild/applets/admin/wait"
	"chatmaild/applets/command"
	"chatmaild/applets/config"
	"chatmaild/applets/keys"
	"chatmaild/store/atomicfile"
)

const (
	// pairTimeout is how long the second file of a pair may come after the first one
	// when both are replaced.
	pairTimeout = 10 * time.Second
	pairPoll    = 200 * time.Millisecond
)

// Command has the servers take a certificate that changed.
var Command = command.Command{
	Name: "certificate", Kind: command.Oneshot,
	Synopsis:    "reloads the servers with a new certificate",
	Description: "It waits until the certificate and its key are usable. chatmaild-certificate.path starts it.",
	Bind: func(*flag.FlagSet) command.Run {
		return command.Configured(func(ctx context.Context, env *command.Env, cfg *config.Config) error {
			return reload(ctx, cfg, env.Log())
		})
	},
}

// reload has the servers take the certificate again, once it and its key can serve. A pair
// that cannot would stop them all from working; they keep the one that they have.
func reload(ctx context.Context, conf *config.Config, log *slog.Logger) error {
	machine := host.Host{}
	paths := keyfiles.Paths(conf)
	until, cancel := context.WithTimeout(ctx, pairTimeout)
	defer cancel()
	var (
		cert, key []byte
		pair      *keys.Certificate
	)
	err := wait.Until(until, pairPoll, func() (done bool, err error) {
		if cert, key, err = keyfiles.Read(machine, paths); err != nil {
			return false, err
		}
		if pair, err = keys.ParsePair(cert, key); err != nil {
			return false, err
		}
		err = pair.Check(config.Host(conf), time.Now())
		return err == nil, err
	})
	if err != nil {
		return command.WithHint(fmt.Errorf("%s cannot be used, so the servers keep the previous one: %w", paths.Certificate, err),
			"put a certificate for %s there, and its key in %s", config.Host(conf), paths.PrivateKey)
	}
	if err := handOver(desired.SubmissionCertificate(conf, cert, key)); err != nil {
		return err
	}
	// A server that is off, as after run --disable-mail, stays off.
	if err := machine.Systemd().Systemctl(ctx, "try-reload-or-restart", desired.TLSServers()...); err != nil {
		return err
	}
	if conf.SelfSigned() { // its links say whether an authority has signed the certificate
		if err := machine.Systemd().Systemctl(ctx, "try-restart", desired.Web); err != nil {
			return err
		}
	}
	log.Info("the servers use the new certificate", "valid_until", pair.NotAfter.UTC())
	return nil
}

// handOver writes filtermail-out's copy of both, which it takes up by itself. The group of the
// file is that of its directory.
func handOver(f desired.File) error {
	if err := atomicfile.Write(f.Path, f.Content, f.Mode, nil); err != nil {
		return fmt.Errorf("handing the certificate to filtermail-out: %w", err)
	}
	return nil
}
