// Package doveauth is the daemon that Dovecot and Postfix ask for accounts: who may log
// in, and which recipients there are.
package doveauth

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"log/slog"
	"net/netip"
	"runtime"
	"strings"
	"time"

	"chatmaild/applets/command"
	"chatmaild/applets/doveauth/policy"
	"chatmaild/applets/service"
	"chatmaild/auth"
	"chatmaild/auth/machine"
	"chatmaild/packaging/dovecot/dict"
	"chatmaild/packaging/postfix/socketmap"
	"chatmaild/store/census"
	"chatmaild/store/maildir"
)

// mailUser is the system user, and the group, that owns the mailboxes.
const mailUser = "vmail"

// rememberLogins is how many verified logins doveauth keeps in mind: all of a
// large relay's users, for some 30 MB.
const rememberLogins = 400_000

// Command tells Dovecot who may log in, and creates accounts.
var Command = command.Command{
	Name: "doveauth", Kind: command.Daemon, Synopsis: "tells Dovecot who may log in, and creates accounts",
	Bind: func(*flag.FlagSet) command.Run { return run },
}

func run(ctx context.Context, env *command.Env, _ []string) error {
	cfg, err := env.Config()
	if err != nil {
		return err
	}
	log := env.Log()
	mailboxes := maildir.New(cfg.MailboxesDir, cfg.AddressDomain())
	if err := mailboxes.Make(); err != nil {
		return err
	}
	if n, err := mailboxes.RemoveLeftovers(time.Now()); err != nil {
		log.Warn("cannot remove what a crash left half made", "error", err)
	} else if n > 0 {
		log.Info("removed what a crash left half made", "mailboxes", n)
	}
	rules := policy.New(env.ConfigPath, cfg, log)
	key := make([]byte, 32)
	rand.Read(key)
	accounts := auth.New(auth.Options{
		Domain:    cfg.AddressDomain(),
		Mailboxes: mailboxes,
		Machine:   &machine.Machine{Mailboxes: cfg.MailboxesDir, NoCreate: cfg.NocreateFile, Now: time.Now},
		Policy:    rules.Current,
		Now:       time.Now,
		Key:       key,
		Remember:  rememberLogins,
		Workers:   runtime.GOMAXPROCS(0),
	})
	metrics := service.NewMetrics("doveauth", time.Now())
	numbers, count := NewMetrics(metrics), census.New(cfg.MailboxesDir, cfg.AddressDomain())
	numbers.follow(metrics, cfg, rules, accounts, count)
	server := dict.Server{Log: log, Handler: &timedLogins{&handler{accounts, mailboxes, log}, numbers}}
	postfix := socketmap.Server{Log: log, Handler: &recipients{accounts, log}}
	daemon := service.Service{
		Name: "doveauth", Address: service.Unix(cfg.Socket("doveauth")),
		Serve: server.Serve, Background: watchAndCount(rules, count, log), Log: log,
		Metrics: metrics, MetricsSocket: cfg.MetricsSocket("doveauth"),
		More: []service.Endpoint{{
			Name: "recipients", Address: service.Unix(cfg.Socket("recipients")), Serve: postfix.Serve,
		}},
	}
	return daemon.Run(ctx)
}

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

func (h *handler) describe(addr auth.Address, password string) string {
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
	return h.mailboxes.Each(func(addr auth.Address) error {
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
