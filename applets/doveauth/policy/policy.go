// Package policy is the registration policy in force: auth's rules, read from the
// configuration file, which it follows. doveauth asks it when an account is made, and
// web before it issues an address.
package policy

import (
	"context"
	"errors"
	"io/fs"
	"log/slog"
	"os"
	"sync/atomic"
	"time"

	"chatmaild/applets/config"
	"chatmaild/auth"
	"chatmaild/store/invites"
)

// interval is how often the configuration file is looked at.
const interval = time.Second

// Policy is the registration policy in force. It follows the configuration file;
// a file that is wrong changes nothing.
type Policy struct {
	path    string
	log     *slog.Logger
	current atomic.Pointer[auth.Policy]
	seen    fs.FileInfo
	key     fs.FileInfo
	dir     string
}

// New returns the policy of cfg, which was read from path.
func New(path string, cfg *config.Config, log *slog.Logger) *Policy {
	p := &Policy{path: path, log: log, dir: cfg.InvitesDir()}
	p.seen, _ = os.Stat(path)
	p.key, _ = os.Stat(invites.KeyFile(p.dir))
	p.use(cfg)
	return p
}

// Current returns the policy in force.
func (p *Policy) Current() *auth.Policy { return p.current.Load() }

// Watch follows the file until ctx is done.
func (p *Policy) Watch(ctx context.Context) error {
	tick := time.NewTicker(interval)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
			p.Reload()
		}
	}
}

// Reload reads the file if it, or the key of the invites, has changed.
func (p *Policy) Reload() {
	info, err := os.Stat(p.path)
	if err != nil {
		return // it is being replaced, or gone: what is in force stays
	}
	key, _ := os.Stat(invites.KeyFile(p.dir))
	if sameFile(info, p.seen) && sameFile(key, p.key) {
		return
	}
	p.seen, p.key = info, key
	cfg, err := config.Load(p.path)
	if err != nil {
		p.log.Error("the new configuration is invalid; the old one stays in effect", "error", err)
		return
	}
	p.use(cfg)
	p.log.Info("the registration policy was reread", "registration", cfg.Registration)
}

func sameFile(a, b fs.FileInfo) bool {
	if a == nil || b == nil {
		return a == nil && b == nil
	}
	return os.SameFile(a, b) && a.Size() == b.Size() && a.ModTime().Equal(b.ModTime())
}

func (p *Policy) use(cfg *config.Config) {
	next := registration(cfg)
	key, err := invites.ReadKey(cfg.InvitesDir())
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		p.log.Error("cannot read the invites' key: invites do not work", "error", err)
	}
	next.GrantKey = key
	p.current.Store(next)
}

// registration is what the configuration says about new accounts.
func registration(cfg *config.Config) *auth.Policy {
	return &auth.Policy{
		Registration:           auth.Registration(cfg.Registration),
		MinLocal:               cfg.UsernameMinLength,
		MaxLocal:               cfg.UsernameMaxLength,
		MinPassword:            cfg.PasswordMinLength,
		RefusedPasswordLengths: cfg.RefusedPasswordLengths,
		Reserved:               cfg.ReservedUsernames,
		PerMinute:              cfg.MaxRegistrationsPerMinute,
		PerNetworkPerHour:      cfg.MaxNetworkRegistrationsPerHour,
		PerNetworkPerDay:       cfg.MaxNetworkRegistrationsPerDay,
		MaxLoad:                cfg.MaxLoad1m,
		MinMemory:              int64(cfg.MinAvailableMemory),
		MinDisk:                int64(cfg.MinFreeDiskSpace),
		Cost:                   cfg.BcryptCost,
	}
}
