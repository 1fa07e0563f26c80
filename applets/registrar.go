package applets

import (
	"context"
	"crypto/rand"
	"errors"
	"math"
	"net/http"
	"slices"
	"time"

	"chatmaild/applets/config"
	webserver "chatmaild/applets/web"
	"chatmaild/auth"
	"chatmaild/store/invites"
)

// registrar hands out addresses and passwords over HTTP, as far as the policy lets
// anybody in. What it cannot see (the load, the disk, the rate) doveauth refuses
// at the first login.
type registrar struct {
	policy *policy
	cfg    *config.Config
}

var _ webserver.Registration = (*registrar)(nil)

// Register implements webserver.Registration.
func (r *registrar) Register(ctx context.Context, token string) (webserver.Credentials, error) {
	p := r.policy.Current()
	if reason := p.Accepts(auth.State{Memory: math.MaxInt64, Disk: math.MaxInt64}); reason != auth.NotRefused {
		return webserver.Credentials{}, refusal(reason)
	}
	if p.Registration == auth.Invite {
		return r.invited(ctx, p, token)
	}
	c, err := r.credentials(ctx, p, p.MinPassword)
	for n := p.MinPassword + 1; err == nil && n <= auth.MaxPassword && slices.Contains(p.RefusedPasswordLengths, len(c.Password)); n++ {
		c, err = r.credentials(ctx, p, n)
	}
	return c, err
}

// invited takes a use of token and makes what doveauth lets in for it.
func (r *registrar) invited(ctx context.Context, p *auth.Policy, token string) (webserver.Credentials, error) {
	c, err := r.credentials(ctx, p, min(p.MinPassword, auth.MaxGranted-3))
	if err != nil {
		return c, err
	}
	store, err := invites.Open(r.cfg.InvitesDir())
	if err != nil {
		return c, err
	}
	key, err := store.Key()
	if err != nil {
		return c, err
	}
	now := time.Now()
	if c.Password, err = auth.Grant(key, c.Email, c.Password, now); err != nil {
		return c, err
	}
	err = store.Use(token, now)
	if errors.Is(err, invites.ErrNotValid) {
		return webserver.Credentials{}, refusal(auth.NotInvited)
	}
	return c, err
}

func (r *registrar) credentials(ctx context.Context, p *auth.Policy, minPassword int) (webserver.Credentials, error) {
	open := webserver.Open{
		Domain:       r.cfg.AddressDomain(),
		Lengths:      webserver.Lengths{Name: p.MaxLocal, MinPassword: minPassword},
		NocreateFile: r.cfg.NocreateFile,
		Random:       rand.Reader,
	}
	return open.Register(ctx, "")
}

func refusal(reason auth.Reason) error {
	return &webserver.Refusal{Status: http.StatusForbidden, Reason: reason.Message()}
}
