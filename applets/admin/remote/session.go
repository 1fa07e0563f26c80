package remote

import (
	"bufio"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net"
	"strings"

	"chatmaild/applets/chat/imap"
)

// Account is an address and its password. The first login makes it exist.
type Account struct {
	Address  string
	Password string
}

// Lengths as current clients have them; a relay's defaults allow both.
const (
	nameLength     = 9
	passwordLength = 22
)

// NewAccount makes an account up. Nobody has it yet: there are 32⁹ names.
func NewAccount(domain string) Account {
	return Account{
		Address:  strings.ToLower(rand.Text()[:nameLength]) + "@" + domain,
		Password: rand.Text()[:passwordLength],
	}
}

// SMTP connects to a service and says EHLO, inside of TLS. The name to say may
// be "": then it is one that nobody has.
func (r *Relay) SMTP(ctx context.Context, s Service, name string) (*SMTP, error) {
	conn, err := r.Secure(ctx, s, r.TLSConfig(s))
	if err != nil {
		return nil, err
	}
	d := &SMTP{Name: name, conn: conn, r: bufio.NewReaderSize(conn, maxLine)}
	if !s.StartTLS {
		if d, err = NewSMTP(conn); err != nil {
			return nil, errors.Join(err, conn.Close())
		}
		d.Name = name
	}
	if _, err := d.Hello(); err != nil {
		return nil, errors.Join(err, conn.Close())
	}
	return d, nil
}

// Submit is SMTP with a login.
func (r *Relay) Submit(ctx context.Context, s Service, name string, a Account) (*SMTP, error) {
	d, err := r.SMTP(ctx, s, name)
	if err != nil {
		return nil, err
	}
	reply, err := d.Login(a)
	if err == nil && reply.Code != 235 {
		err = fmt.Errorf("AUTH: %s", reply)
	}
	if err != nil {
		return nil, errors.Join(err, d.Close())
	}
	return d, nil
}

// IMAP connects to a service and logs in.
func (r *Relay) IMAP(ctx context.Context, s Service, a Account) (*imap.Client, error) {
	conn, err := r.Secure(ctx, s, r.TLSConfig(s))
	if err != nil {
		return nil, err
	}
	d := imap.Resume(conn)
	if !s.StartTLS {
		d, err = imap.New(conn)
	}
	if err == nil {
		err = d.Login(a.Address, a.Password)
	}
	if err != nil {
		return nil, errors.Join(err, conn.Close())
	}
	return d, nil
}

// HidesPassword reports whether a server refuses a login before TLS, and what it
// said. The account is made up for this: nothing is given away.
func (r *Relay) HidesPassword(ctx context.Context, s Service) (hides bool, said string, err error) {
	conn, err := r.Open(ctx, s)
	if err != nil {
		return false, "", err
	}
	defer conn.Close()
	if s.Protocol == IMAPProtocol {
		return loginWithoutTLS(conn, NewAccount(r.MailDomain()))
	}
	d, err := NewSMTP(conn)
	if err != nil {
		return false, "", err
	}
	if _, err := d.Hello(); err != nil {
		return false, "", err
	}
	reply, err := d.Login(NewAccount(r.MailDomain()))
	return reply.Refused(), reply.String(), err
}

// loginWithoutTLS tries what a server must refuse: the password is of an account that
// does not exist.
func loginWithoutTLS(conn net.Conn, a Account) (hides bool, said string, err error) {
	d, err := imap.New(conn)
	if err != nil {
		return false, "", err
	}
	var refused *imap.Refused
	err = d.Login(a.Address, a.Password)
	if errors.As(err, &refused) {
		return true, refused.Status, nil
	}
	if err != nil {
		return false, "", err
	}
	return false, "OK, logged in", nil
}

// TakesMailWithoutTLS asks a server to take mail before TLS, and returns its answer.
func (r *Relay) TakesMailWithoutTLS(ctx context.Context, s Service) (Reply, error) {
	conn, err := r.Open(ctx, s)
	if err != nil {
		return Reply{}, err
	}
	defer conn.Close()
	d, err := NewSMTP(conn)
	if err != nil {
		return Reply{}, err
	}
	if _, err := d.Hello(); err != nil {
		return Reply{}, err
	}
	reply, err := d.Command("MAIL FROM:<>")
	if err != nil {
		return Reply{}, fmt.Errorf("MAIL: %w", err)
	}
	return reply, nil
}
