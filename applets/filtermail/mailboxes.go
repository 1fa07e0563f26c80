package filtermail

import (
	"context"
	"errors"

	"chatmaild/applets/accounts"
	"chatmaild/applets/config"
	"chatmaild/auth"
	"chatmaild/auth/mailaddr"
	"chatmaild/mailfilter"
	"chatmaild/store/directory"
	"chatmaild/store/maildir"
)

// mailboxes are those of the relay: on this machine, or on any of several. Done closes
// them.
func mailboxes(conf *config.Config) (boxes mailfilter.Mailboxes, done func(), err error) {
	if !config.Clustered(conf) {
		return maildir.New(conf.MailboxesDir, conf.AddressDomain()), func() {}, nil
	}
	rows, err := accounts.Open(conf, nil)
	if err != nil {
		return nil, nil, err
	}
	return &homed{rows, conf.AddressDomain()}, rows.Close, nil
}

// homed are mailboxes that may be on any machine: the directory knows of them.
type homed struct {
	accounts directory.Accounts
	domain   string
}

var _ mailfilter.Mailboxes = (*homed)(nil)

// EnforcesEncryption implements mailfilter.Mailboxes.
func (h *homed) EnforcesEncryption(addr string) (bool, error) {
	parsed, err := mailaddr.Parse(addr, h.domain)
	if err != nil {
		return true, nil
	}
	a, err := h.accounts.Account(context.Background(), parsed)
	if errors.Is(err, auth.ErrNoMailbox) {
		return true, nil
	}
	return err != nil || a.EncryptedOnly, err
}
