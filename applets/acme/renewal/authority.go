package renewal

import (
	"context"
	"crypto"
	"crypto/x509"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/mholt/acmez/v3"
	"github.com/mholt/acmez/v3/acme"
)

// LetsEncrypt is the directory that is used unless another is configured.
const LetsEncrypt = "https://acme-v02.api.letsencrypt.org/directory"

// Bounds of talking to the authority.
const (
	requestTimeout = 30 * time.Second
	orderTimeout   = 5 * time.Minute // for the whole order, with all validations
)

// Authority is a certificate authority as seen by one account.
type Authority struct {
	Directory string // URL
	Email     string // whom the authority may write to; may be ""
	UserAgent string

	// Solver answers challenges of the kind Challenge: "http-01" or "dns-01".
	Solver    acmez.Solver
	Challenge string

	// Profile is the kind of certificate to ask for (draft-aaron-acme-profiles), if the
	// authority offers it.
	Profile string
}

// ShortLived is the profile by which Let's Encrypt gives certificates for addresses: they
// last for six days.
const ShortLived = "shortlived"

// client is made again for each order: nothing of a failed one, such as a
// directory that has moved since, stays.
func (a *Authority) client(transport http.RoundTripper) *acmez.Client {
	return &acmez.Client{
		Client: &acme.Client{
			Directory: a.Directory, UserAgent: a.UserAgent,
			HTTPClient:  &http.Client{Timeout: requestTimeout, Transport: transport},
			PollTimeout: orderTimeout,
		},
		ChallengeSolvers: map[string]acmez.Solver{a.Challenge: a.Solver},
	}
}

// Account is ours with the authority, as a CAA record names it (RFC 8659 §4.2,
// RFC 8657 §3).
type Account struct {
	URI    string
	Issuer string // what the authority calls itself there; "" if it does not say
}

// Obtain gets a certificate for names with key, as PEM with its chain. With
// replaces, which may be nil, the order is a renewal (RFC 9773 §5), which the
// limits of Let's Encrypt exempt. The account is the one that accountKey belongs
// to; if the authority does not know it, it is opened. The account is returned as
// soon as it is known, even if there is an error then.
func (a *Authority) Obtain(ctx context.Context, accountKey, key crypto.Signer, names []string, replaces *x509.Certificate) (chain []byte, ours Account, err error) {
	ctx, cancel := context.WithTimeout(ctx, orderTimeout)
	defer cancel()
	authority := &listener{RoundTripper: http.DefaultTransport}
	defer func() { err = authority.later(err) }()
	client := a.client(authority)
	account := acme.Account{PrivateKey: accountKey, TermsOfServiceAgreed: true}
	if a.Email != "" {
		account.Contact = []string{"mailto:" + a.Email}
	}
	if account, err = client.NewAccount(ctx, account); err != nil {
		return nil, ours, fmt.Errorf("opening the account: %w", err)
	}
	ours.URI = account.Location
	profile := ""
	if directory, err := client.GetDirectory(ctx); err == nil && directory.Meta != nil {
		if len(directory.Meta.CAAIdentities) > 0 {
			ours.Issuer = directory.Meta.CAAIdentities[0]
		}
		if _, offered := directory.Meta.Profiles[a.Profile]; offered {
			profile = a.Profile
		}
	}
	csr, err := acmez.NewCSR(key, names)
	if err != nil {
		return nil, ours, fmt.Errorf("creating the request: %w", err)
	}
	order, err := acmez.OrderParametersFromCSR(account, csr)
	if err != nil {
		return nil, ours, fmt.Errorf("creating the order: %w", err)
	}
	order.Replaces, order.Profile = replaces, profile
	chains, err := client.ObtainCertificate(ctx, order)
	if replaces != nil && mayDispute(err) {
		order.Replaces = nil
		chains, err = client.ObtainCertificate(ctx, order)
	}
	if err != nil {
		return nil, ours, err
	}
	if len(chains) == 0 {
		return nil, ours, errors.New("the authority sent no certificate")
	}
	if leaf(chains[0].ChainPEM, key) == nil {
		return nil, ours, errors.New("the authority sent a certificate that is not for our key")
	}
	return chains[0].ChainPEM, ours, nil
}

// mayDispute reports whether err may be about the certificate that an order replaces:
// one of another authority or account, or that it has lost. Each authority has its own
// word for that, so all refusals count but those of a name, which would be tried without success
// twice, and those that want us to wait.
func mayDispute(err error) bool {
	var p acme.Problem
	if !errors.As(err, &p) || p.Type == acme.ProblemTypeRateLimited {
		return false
	}
	_, name := p.Resource.(acme.Authorization)
	return !name
}

// suggestion is when an authority wants a certificate to be renewed (RFC 9773
// §4.2). The zero value is none.
type suggestion struct {
	at   time.Time // chosen at random in the window
	end  time.Time // of the window
	next time.Time // when to ask again
}

// suggest asks when to renew cert. An authority that does not answer that, or
// not now, suggests nothing.
func (a *Authority) suggest(ctx context.Context, cert *x509.Certificate, now time.Time) suggestion {
	ctx, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	s := suggestion{next: now.Add(pollInterval)}
	info, err := a.client(http.DefaultTransport).GetRenewalInfo(ctx, cert)
	if err != nil || !info.HasWindow() {
		return s
	}
	s.at, s.end = info.SelectedTime, info.SuggestedWindow.End
	if info.RetryAfter != nil {
		s.next = clamp(*info.RetryAfter, now.Add(time.Minute), now.Add(24*time.Hour))
	}
	return s
}

// describe takes from an error what the authority said.
func describe(err error) (kind, detail string) {
	if update, ok := errors.AsType[updateError](err); ok {
		return nameServerKind, update.Error()
	}
	var p acme.Problem
	if !errors.As(err, &p) {
		return "", fmt.Sprint(err)
	}
	detail = p.Detail
	for _, sub := range p.Subproblems {
		detail += fmt.Sprintf("; %s: %s", sub.Identifier.Value, sub.Detail)
	}
	if authz, ok := p.Resource.(acme.Authorization); ok {
		detail = authz.IdentifierValue() + ": " + detail
	}
	return strings.TrimPrefix(p.Type, acme.ProblemTypeNamespace), detail
}
