package doveauth

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"strings"
	"time"

	"chatmaild/applets/metric"
	"chatmaild/auth"
	"chatmaild/auth/mailaddr"
	"chatmaild/packaging/dovecot/dict"
	"chatmaild/store/maildir"
)

// mailUser is the system user, and the group, that owns the mailboxes.
const mailUser = "vmail"

// The keys that Dovecot asks for: see packaging/dovecot/dict-auth.conf.tmpl.
const (
	passdbPrefix = "shared/passdb/"
	userdbPrefix = "shared/userdb/"
)

// handler answers Dovecot's passdb and userdb.
type handler struct {
	accounts  *auth.Service
	mailboxes *maildir.Store
	log       *slog.Logger
	took      *metric.Histogram // by a login
}

var _ dict.Handler = (*handler)(nil)

// account is what Dovecot is told, as JSON. The names of the fields are its own
// (doc.dovecot.org, "User database extra fields").
type account struct {
	Addr     string `json:"addr"`
	Home     string `json:"home"`
	UID      string `json:"uid"`
	GID      string `json:"gid"`
	Password string `json:"password,omitempty"`
}

// Lookup implements dict.Handler. Only what Dovecot may see is an error's text.
func (h *handler) Lookup(ctx context.Context, key, _ string) (string, bool, error) {
	if rest, ok := strings.CutPrefix(key, passdbPrefix); ok {
		defer func(start time.Time) { h.took.Took(time.Since(start)) }(time.Now())
		return h.passdb(ctx, rest)
	}
	if rest, ok := strings.CutPrefix(key, userdbPrefix); ok {
		return h.userdb(rest)
	}
	return "", false, nil
}

func (h *handler) passdb(ctx context.Context, key string) (string, bool, error) {
	part := dict.SplitQuoted(key)
	if len(part) < 2 || len(part) > 3 {
		return "", false, errors.New("the passdb key is not of the form password\"user or password\"user\"address")
	}
	password, user := part[0], part[1]
	var client netip.Addr
	if len(part) == 3 {
		client, _ = netip.ParseAddr(part[2]) // empty when Dovecot does not know
	}
	r, err := h.accounts.Login(ctx, user, password, client)
	if err != nil {
		return "", false, h.fault("login", user, err)
	}
	h.note(user, r)
	if r.Password == "" {
		return "", false, nil
	}
	return h.describe(r.Address, r.Password), true, nil
}

func (h *handler) userdb(key string) (string, bool, error) {
	part := dict.SplitQuoted(key)
	if len(part) != 1 {
		return "", false, nil
	}
	addr, found, err := h.accounts.User(part[0])
	if err != nil {
		return "", false, h.fault("look-up", part[0], err)
	}
	if !found {
		return "", false, nil
	}
	return h.describe(addr, ""), true, nil
}

func (h *handler) describe(addr mailaddr.Address, password string) string {
	text, err := json.Marshal(account{
		Addr: addr.String(), Home: h.mailboxes.Home(addr),
		UID: mailUser, GID: mailUser, Password: password,
	})
	if err != nil {
		return "" // strings always marshal
	}
	return string(text)
}

// Iterate implements dict.Handler: Dovecot walks over all users.
func (h *handler) Iterate(ctx context.Context, path, _ string, yield func(key, value string) error) error {
	if path != userdbPrefix {
		return nil
	}
	return h.mailboxes.Each(func(addr mailaddr.Address) error {
		if err := ctx.Err(); err != nil {
			return fmt.Errorf("walking over all users: %w", err)
		}
		return yield(userdbPrefix+addr.String(), "")
	})
}

// Commit implements dict.Handler: Dovecot changes no account.
func (h *handler) Commit(context.Context, string, []dict.Change) error {
	return errors.New("accounts cannot be changed this way")
}

// note logs what an operator should know of: one line for each, without the
// address, which the debug log has.
func (h *handler) note(user string, r auth.Result) {
	switch r.Outcome {
	case auth.Created:
		h.log.Info("account created")
	case auth.Refused:
		h.log.Info("account refused", "reason", string(r.Reason))
	case auth.BlockedUser:
		h.log.Info("login refused: an operator has blocked the account")
	case auth.Damaged:
		h.log.Warn("login refused: a mailbox is damaged (--debug names it)", "error", r.Damage)
	}
	h.log.Debug("login", "user", user, "outcome", string(r.Outcome), "reason", string(r.Reason))
}

// errTemporary is all that Dovecot is told of a fault of ours.
var errTemporary = errors.New("doveauth: temporary failure")

func (h *handler) fault(what, user string, err error) error {
	h.log.Error("cannot answer a "+what, "error", err)
	h.log.Debug("failed "+what, "user", user)
	return errTemporary
}
