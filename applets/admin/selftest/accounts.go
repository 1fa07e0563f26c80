package selftest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"chatmaild/applets/admin/remote"
	"chatmaild/applets/chat/imap"
)

// create makes Alice, who stays for the checks that need an account.
func create(ctx context.Context, s *session) (string, error) {
	a, err := s.signUp(ctx, s.relay)
	if err != nil {
		return "", err
	}
	d, err := s.relay.IMAP(ctx, remote.IMAPS, a)
	if err != nil {
		return "", err
	}
	s.alice, err = s.newUser(a)
	return "an unknown login created an account", errors.Join(err, d.Close())
}

// login holds that Alice is known to a service.
func login(service remote.Service) func(context.Context, *session) (string, error) {
	return func(ctx context.Context, s *session) (string, error) {
		if service.Protocol == remote.IMAPProtocol {
			d, err := s.relay.IMAP(ctx, service, s.alice.Account)
			if err != nil {
				return "", err
			}
			return "IMAP LOGIN", d.Close()
		}
		d, err := s.relay.Submit(ctx, service, "", s.alice.Account)
		if err != nil {
			return "", err
		}
		return "SMTP AUTH", d.Close()
	}
}

// accepted turns a refusal into an error.
func accepted(reply remote.Reply, err error) error {
	if err == nil && reply.Code/100 != 2 {
		err = errors.New(reply.String())
	}
	return err
}

// wrongPassword holds that an account is not open to everybody. It is tried on one that
// exists: a new name would be created.
func wrongPassword(ctx context.Context, s *session) (string, error) {
	other := remote.NewAccount(s.relay.MailDomain())
	other.Address = s.alice.Address
	return s.refusedLogin(ctx, other)
}

// elsewhere is a domain that no relay has (RFC 6761 §6.4).
const elsewhere = "elsewhere.invalid"

// foreignDomain holds that the relay creates accounts in its own domain alone.
func foreignDomain(ctx context.Context, s *session) (string, error) {
	return s.refusedLogin(ctx, remote.NewAccount(elsewhere))
}

// refusedLogin wants the relay's own no, not a lost connection.
func (s *session) refusedLogin(ctx context.Context, a remote.Account) (string, error) {
	d, err := s.relay.IMAP(ctx, remote.IMAPS, a)
	if refused, ok := errors.AsType[*imap.Refused](err); ok {
		return refused.Status, nil
	}
	if err != nil {
		return "", err
	}
	return "", errors.Join(errors.New("OK, logged in"), d.Close())
}

// wantedCapabilities are what clients look for (chatmail/core, src/imap/client.rs).
var wantedCapabilities = []string{"IDLE", "MOVE", "QUOTA", "METADATA", "XCHATMAIL"}

// capabilities looks for the extensions without which Delta Chat is slow or loses
// features.
func capabilities(ctx context.Context, s *session) (string, error) {
	d, err := s.relay.IMAP(ctx, remote.IMAPS, s.alice.Account)
	if err != nil {
		return "", err
	}
	defer d.Close()
	found, err := d.Capabilities()
	if err != nil {
		return "", err
	}
	var missing []string
	for _, c := range wantedCapabilities {
		if !slices.Contains(found, c) {
			missing = append(missing, c)
		}
	}
	if missing != nil {
		return "", fmt.Errorf("no %s", strings.Join(missing, " "))
	}
	return strings.Join(wantedCapabilities, " "), nil
}

// The entries that clients ask for (chatmail/core, src/imap.rs).
const (
	vendor        = "/shared/vendor/deltachat/"
	maxRecipients = vendor + "maxsmtprecipients"
	tokens        = "/private/devicetoken"
)

// metadata stores a push token and reads it back, as a phone does after it has logged
// in.
func metadata(ctx context.Context, s *session) (string, error) {
	d, err := s.relay.IMAP(ctx, remote.IMAPS, s.alice.Account)
	if err != nil {
		return "", err
	}
	defer d.Close()
	// The entries that a client asks for after it has logged in. Only the number of recipients
	// is a promise of every relay; the others are shown as they are.
	values, err := d.Metadata("", "/shared/comment", "/shared/admin",
		vendor+"irohrelay", vendor+"turn", maxRecipients, vendor+"appversions")
	if err != nil {
		return "", err
	}
	var seen []string
	for name := range values {
		seen = append(seen, name[strings.LastIndexByte(name, '/')+1:])
	}
	slices.Sort(seen)
	switch n, err := strconv.Atoi(values[maxRecipients]); {
	case values[maxRecipients] == "": // as on relays of before 2026
		return "", advise(notef("no %s; only %q", maxRecipients, seen),
			"newer relays announce it; to others, clients send a message for 50 recipients at once")
	case err != nil || n < 1:
		return "", fmt.Errorf("%s is %q", maxRecipients, values[maxRecipients])
	}
	return strings.Join(seen, " "), nil
}

// pushToken stores what a phone does, for an account that gets no mail: so nobody
// is woken by it.
func pushToken(ctx context.Context, s *session) (string, error) {
	a, err := s.signUp(ctx, s.relay)
	if err != nil {
		return "", err
	}
	d, err := s.relay.IMAP(ctx, remote.IMAPS, a)
	if err != nil {
		return "", err
	}
	defer d.Close()
	if _, err := d.Select(); err != nil {
		return "", err
	}
	const token = "proof-of-a-token"
	if err := d.SetMetadata("INBOX", tokens, token); err != nil {
		return "", err
	}
	values, err := d.Metadata("INBOX", tokens)
	if err != nil {
		return "", err
	}
	if !slices.Contains(strings.Fields(values[tokens]), token) {
		return "", fmt.Errorf("%q after one was set", values[tokens])
	}
	return "set and read", nil
}
