package renewal

import (
	"context"
	"crypto"
	"crypto/x509"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/mholt/acmez/v3/acme"
)

// Shared is what the keepers of a relay of several machines have in common: one of them
// orders the certificate, and all others take it; the key is the same on all.
type Shared interface {
	// Orders reports whether this one orders.
	Orders(ctx context.Context) (bool, error)
	// Published returns the certificate with its chain, or nil.
	Published(ctx context.Context) ([]byte, error)
	Publish(ctx context.Context, chain []byte) error
	Challenges
}

// Challenges are the answers that the authority looks for at any of the machines.
type Challenges interface {
	Present(ctx context.Context, token, answer string) error
	CleanUp(ctx context.Context, token string) error
	// Answer returns "" if there is none.
	Answer(ctx context.Context, token string) (string, error)
}

const (
	// followAgain is how often a keeper looks for a certificate that another one ordered, and
	// whether it is the one that orders now.
	followAgain = 30 * time.Second

	// answerWait is how long the answer to a challenge may take from the machine that orders to
	// this one, whose directory may be late. An authority waits for ten seconds.
	answerWait  = 4 * time.Second
	answerAgain = 100 * time.Millisecond

	// maxAnswers is how many requests may wait for that at a time. An authority asks for each name of
	// the certificate from several places at once; Let's Encrypt from five and more, and a relay has
	// three names.
	maxAnswers = 64
)

// follow takes the certificate that another machine has published, if it is newer than the
// one here, or publishes ours, and reports whether this machine orders the next one.
func (k *Keeper) follow(ctx context.Context, key crypto.Signer) (orders bool, err error) {
	if orders, err = k.Shared.Orders(ctx); err != nil {
		return false, fmt.Errorf("asking the directory: %w", err)
	}
	chain, err := k.Shared.Published(ctx)
	if err != nil {
		return false, fmt.Errorf("asking the directory for the certificate: %w", err)
	}
	ours, err := k.Files.certificate(key)
	if err != nil {
		return false, err
	}
	theirs := leaf(chain, key)
	switch {
	case theirs != nil && k.covers(theirs) && (ours == nil || newer(theirs, ours)):
		k.Log.Info("certificate of another machine", "valid_until", theirs.NotAfter)
		return orders, k.put(ctx, func() error { return k.Files.write(k.Files.Certificate(), chain) })
	case orders && ours != nil && k.covers(ours) && (theirs == nil || newer(ours, theirs)):
		return orders, k.publish(ctx)
	}
	return orders, nil
}

// newer reports whether a certificate was issued after another one, by the authority's clock. It may
// end before that: lifetimes become shorter, and one that was revoked had long to go.
func newer(c, than *x509.Certificate) bool {
	if c.NotBefore.Equal(than.NotBefore) {
		return c.NotAfter.After(than.NotAfter)
	}
	return c.NotBefore.After(than.NotBefore)
}

// publish gives the certificate here to the other machines.
func (k *Keeper) publish(ctx context.Context) error {
	chain, err := k.Files.chain()
	if err != nil {
		return err
	}
	if err := k.Shared.Publish(ctx, chain); err != nil {
		return fmt.Errorf("publishing the certificate: %w", err)
	}
	return nil
}

// Share has the responder of each machine answer what that of one is asked.
func (r *Responder) Share(with Challenges) {
	r.shared, r.waiting = with, make(chan struct{}, maxAnswers)
}

// present tells the other machines.
func (r *Responder) present(ctx context.Context, c acme.Challenge) error {
	if r.shared == nil {
		return nil
	}
	return r.shared.Present(ctx, c.Token, c.KeyAuthorization)
}

// elsewhere returns the answer to a token that another machine has presented, or may be
// presenting: this one's copy of the directory may be late.
func (r *Responder) elsewhere(req *http.Request, token string) (answer string, known bool) {
	if r.shared == nil || !isToken(token) {
		return "", false
	}
	select {
	case r.waiting <- struct{}{}:
		defer func() { <-r.waiting }()
	default:
		return "", false
	}
	ctx, cancel := context.WithTimeout(req.Context(), answerWait)
	defer cancel()
	again := time.NewTicker(answerAgain)
	defer again.Stop()
	for {
		if answer, err := r.shared.Answer(ctx, token); err == nil && answer != "" {
			return answer, true
		}
		select {
		case <-again.C:
		case <-ctx.Done():
			return "", false
		}
	}
}

// isToken reports whether a text may be a token of an authority: base64url, with at least
// 128 bits (RFC 8555, section 8.3).
func isToken(text string) bool {
	const base64url = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
	return len(text) >= 22 && len(text) <= 255 && strings.Trim(text, base64url) == ""
}
