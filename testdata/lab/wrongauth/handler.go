package main

import (
	"context"
	"net/netip"

	"chatmaild/auth"
	"chatmaild/auth/mailaddr"
	"chatmaild/packaging/dovecot/authproto"
	"chatmaild/store/directory"
)

// handler answers as doveauth does, but for what the fault makes of a login.
type handler struct {
	accounts *auth.Service
	rows     directory.Accounts
	fault    func(user string, ok bool) bool
}

// Remembered implements authserver.Handler: the fault is Login's.
func (h *handler) Remembered(authproto.Credentials) (user string, ok bool) { return "", false }

// Login implements authserver.Handler.
func (h *handler) Login(ctx context.Context, c authproto.Credentials, client netip.Addr) (user string, ok bool, err error) {
	r, err := h.accounts.Login(ctx, c.User, c.Password, client)
	return c.User, h.fault(c.User, r.OK()), err
}

// Home implements authserver.Handler: the relay is one machine.
func (h *handler) Home(context.Context, string, netip.Addr) (netip.AddrPort, error) {
	return netip.AddrPort{}, nil
}

// User implements authserver.Handler.
func (h *handler) User(ctx context.Context, name string) (user string, found bool, err error) {
	addr, found, err := h.accounts.User(ctx, name)
	return addr.String(), found, err
}

// Users implements authserver.Handler.
func (h *handler) Users(ctx context.Context, yield func(user string) error) error {
	return h.rows.Each(ctx, func(addr mailaddr.Address) error { return yield(addr.String()) })
}
