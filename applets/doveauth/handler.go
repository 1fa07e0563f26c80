package doveauth

import (
	"context"
	"errors"
	"log/slog"
	"net/netip"
	"time"

	"chatmaild/applets/doveauth/member"
	"chatmaild/applets/service/metric"
	"chatmaild/auth"
	"chatmaild/auth/mailaddr"
	"chatmaild/packaging/dovecot/authproto"
	"chatmaild/packaging/dovecot/authserver"
	"chatmaild/store/directory"
)

// handler answers for the accounts. All that Dovecot needs of a user is the name:
// mail_home, mail_uid and mail_gid are in its configuration.
type handler struct {
	accounts *auth.Service
	rows     directory.Accounts
	member   *member.Member // nil: the relay is one machine
	log      *slog.Logger
	took     *metric.Histogram // by a login
}

var _ authserver.Handler = (*handler)(nil)

// Remembered implements authserver.Handler. On one of several machines a login asks
// PostgreSQL, which is another process: it is Login's.
func (h *handler) Remembered(c authproto.Credentials) (user string, ok bool) {
	if h.member != nil {
		return "", false
	}
	start := time.Now()
	r, ok := h.accounts.Remembered(c.User, c.Password)
	if ok {
		h.took.Took(time.Since(start))
	}
	return r.Address.String(), ok
}

// Login implements authserver.Handler.
func (h *handler) Login(ctx context.Context, c authproto.Credentials, client netip.Addr) (user string, ok bool, err error) {
	start := time.Now()
	r, err := h.accounts.Login(ctx, c.User, c.Password, client)
	h.took.Took(time.Since(start))
	if err != nil {
		return "", false, fault(h.log, "login", c.User, err)
	}
	h.note(c.User, r)
	if r.Outcome == auth.Refused && r.Reason.Temporary() {
		return "", false, authproto.TryLater(r.Reason.Message())
	}
	return r.Address.String(), r.OK(), nil
}

// Home implements authserver.Handler.
func (h *handler) Home(ctx context.Context, user string, via netip.Addr) (netip.AddrPort, error) {
	if h.member == nil {
		return netip.AddrPort{}, nil
	}
	at, err := h.member.Session(ctx, user, via)
	if err != nil {
		return netip.AddrPort{}, fault(h.log, "login", user, err)
	}
	return at, nil
}

// User implements authserver.Handler. Of a mailbox that is on another machine it says
// neither that it is here nor that there is none.
func (h *handler) User(ctx context.Context, name string) (user string, found bool, err error) {
	addr, found, err := h.accounts.User(ctx, name)
	if err == nil && found && h.member != nil {
		err = h.member.Mailbox(ctx, addr)
	}
	if err != nil {
		return "", false, fault(h.log, "look-up", name, err)
	}
	return addr.String(), found, nil
}

// Users implements authserver.Handler.
func (h *handler) Users(ctx context.Context, yield func(user string) error) error {
	return h.rows.Each(ctx, func(addr mailaddr.Address) error { return yield(addr.String()) })
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

// errTemporary is all that Dovecot and Postfix learn of a fault of ours.
var errTemporary = errors.New("doveauth: temporary failure")

// fault logs why a question has no answer. What the debug log has beside it names
// the user.
func fault(log *slog.Logger, what, user string, err error) error {
	log.Error("cannot answer a "+what, "error", err)
	log.Debug("failed "+what, "user", user)
	return errTemporary
}
