package converge

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"chatmaild/applets/acme/renewal"
	"chatmaild/applets/admin/desired"
	"chatmaild/applets/admin/host"
	"chatmaild/applets/admin/keyfiles"
	"chatmaild/applets/admin/wait"
	"chatmaild/applets/command"
	"chatmaild/applets/config"
)

const (
	// issueTimeout is how long run waits for the first certificate.
	issueTimeout = 60 * time.Second
	issuePoll    = 500 * time.Millisecond
)

// takeCertificate has the servers, which have started with the relay's own certificate, take
// the first one of the authority. CertificatePath may have missed it: systemd does not notice
// what changes while it reads its units again, as it does when one is enabled.
func takeCertificate(ctx context.Context, machine host.Host) error {
	if err := machine.Systemd().Systemctl(ctx, "start", desired.Certificate); err != nil {
		return command.WithHint(fmt.Errorf("the servers do not use the new certificate: %w", err), "%s", desired.Look(desired.Certificate))
	}
	return nil
}

// awaitCertificate waits until the authority has given a certificate, or has
// said no since start. The relay works either way, but clients refuse it until
// there is one.
func awaitCertificate(ctx context.Context, conf *config.Config, machine host.Host, start time.Time, progress io.Writer) error {
	if keyfiles.Issued(conf, machine) {
		return nil
	}
	fmt.Fprintf(progress, "  waiting for the certificate authority (up to %v)\n", issueTimeout)
	until, cancel := context.WithTimeout(ctx, issueTimeout)
	defer cancel()
	var refused *renewal.Problem
	err := wait.Until(until, issuePoll, func() (bool, error) {
		if keyfiles.Issued(conf, machine) {
			return true, nil
		}
		state, err := keyfiles.ACMEState(machine, conf)
		// A problem from before this run is not the answer to it.
		if err == nil && state.Problem != nil && state.Asked.After(start) {
			refused = state.Problem
			return true, nil
		}
		return false, errors.New("no answer yet")
	})
	switch {
	case refused != nil:
		return command.WithHint(fmt.Errorf("no certificate: %s", refused.Detail), "%s", refused.Advice())
	case err != nil:
		return command.WithHint(fmt.Errorf("no certificate within %v: %w", issueTimeout, err),
			"it is retried automatically; see chatmaild status")
	}
	fmt.Fprintf(progress, "  got a certificate for %s\n", config.Host(conf))
	return nil
}
