package web

import (
	"context"
	"crypto/rand"
	"errors"
	"math"
	"net/http"
	"slices"
	"time"

	"chatmaild/applets/config"
	"chatmaild/applets/doveauth/policy"
	"chatmaild/applets/web/signup"
	"chatmaild/auth"
	"chatmaild/store/invites"
)

// Registrar hands out addresses and passwords over HTTP, as far as the policy lets
// anybody in. What it cannot see (the load, the disk, the rate) doveauth refuses
// at the first login.
type Registrar struct {
	Policy *policy.Policy
	Config *config.Config
	// Shared are the invites of a relay of several machines; nil: they are on this one.
	Shared invites.Tokens
}

var _ signup.Registration = (*Registrar)(nil)

// Register implements signup.Registration.
func (r *Registrar) Register(ctx context.Context, token string) (signup.Credentials, error) {
	p := r.Policy.Current()
	if reason := p.Accepts(auth.State{Memory: math.MaxInt64, Disk: math.MaxInt64}); reason != auth.NotRefused {
		return signup.Credentials{}, refusal(reason)
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
func (r *Registrar) invited(ctx context.Context, p *auth.Policy, token string) (signup.Credentials, error) {
	c, err := r.credentials(ctx, p, min(p.MinPassword, auth.MaxGranted-3))
	if err != nil {
		return c, err
	}
	store, err := invites.Open(r.Config.InvitesDir())
	if err != nil {
		return c, err
	}
	key, err := store.Key()
	if err != nil {
		return c, err
	}
	var tokens invites.Tokens = store
	if r.Shared != nil {
		tokens = r.Shared
	}
	now := time.Now()
	if c.Password, err = auth.Grant(key, c.Email, c.Password, now); err != nil {
		return c, err
	}
	err = tokens.Use(ctx, token, now)
	if errors.Is(err, invites.ErrNotValid) {
		return signup.Credentials{}, refusal(auth.NotInvited)
	}
	return c, err
}

func (r *Registrar) credentials(ctx context.Context, p *auth.Policy, minPassword int) (signup.Credentials, error) {
	open := signup.Open{
		Domain:       r.Config.AddressDomain(),
		Lengths:      signup.Lengths{Name: p.MaxLocal, MinPassword: minPassword},
		NocreateFile: r.Config.NocreateFile,
		Random:       rand.Reader,
	}
	return open.Register(ctx, "")
}

func refusal(reason auth.Reason) error {
	return &signup.Refusal{Status: http.StatusForbidden, Reason: reason.Message()}
}
