package renewal

import (
	"context"
	"crypto"
	"crypto/x509"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"os"
	"slices"
	"time"

	"chatmaild/store/atomicfile"
)

// Keeper keeps the certificate for Names up to date in Directory.
type Keeper struct {
	Files     Files
	Names     []string // the relay's own first
	Authority *Authority
	Log       *slog.Logger
	Shared    Shared // with the other machines of the relay; nil: it is one

	failures  int
	dice      float64
	suggested suggestion
	about     *x509.Certificate // what suggested is about
}

const (
	// minWait bounds how soon after a look at the certificate the next one comes.
	minWait = time.Second
	// roomWait is the time between two looks whether a full disk has room.
	roomWait = 10 * time.Second
)

// Run keeps the certificate until ctx is done. A problem with the authority is
// no error: it is told in the state file and the log; nor is a full disk. An error is a
// directory that cannot be read or written.
func (k *Keeper) Run(ctx context.Context) error {
	k.dice = rand.Float64()
	for {
		next, err := k.step(ctx)
		if ctx.Err() != nil {
			return nil
		}
		if err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(max(time.Until(next), minWait)):
		}
	}
}

// step looks at the certificate, gets a new one if it is time to, and says when
// to look again.
func (k *Keeper) step(ctx context.Context) (next time.Time, err error) {
	state := k.lastState()
	key, err := k.key(ctx, k.Files.PrivateKey())
	if err != nil {
		return next, fmt.Errorf("the certificate's key: %w", err)
	}
	orders := true
	if k.Shared != nil {
		if orders, err = k.follow(ctx, key); err != nil {
			if ctx.Err() == nil {
				k.Log.Warn("the other machines' certificate is not known for now", "error", err)
			}
			orders = false
		}
	}
	current, err := k.Files.certificate(key)
	if err != nil {
		return next, fmt.Errorf("the certificate: %w", err)
	}
	if !orders {
		return k.wait(ctx, state, current)
	}
	due, look := k.due(ctx, current)
	if now := time.Now(); now.Before(due) {
		state.Next = due
		if state.Problem != nil {
			state.Problem = nil // someone else has put a good one there
		}
		return k.soon(look), k.save(ctx, state)
	}
	return k.renew(ctx, state, key, current)
}

// wait is the step of a keeper that does not order.
func (k *Keeper) wait(ctx context.Context, state State, current *x509.Certificate) (next time.Time, err error) {
	next = time.Now().Add(followAgain)
	if current == nil || !k.covers(current) {
		state.Next = next
		return next, k.save(ctx, state)
	}
	state.Problem, state.Next = nil, renewal(current, suggestion{}, time.Now(), k.dice)
	return next, k.save(ctx, state)
}

// soon is when to look again on a relay of several machines, where another one may order
// meanwhile.
func (k *Keeper) soon(look time.Time) time.Time {
	if again := time.Now().Add(followAgain); k.Shared != nil && again.Before(look) {
		return again
	}
	return look
}

// due is when a new certificate is needed, and when to look again.
func (k *Keeper) due(ctx context.Context, cert *x509.Certificate) (due, look time.Time) {
	now := time.Now()
	if cert == nil || !k.covers(cert) || now.After(cert.NotAfter) {
		return now, now
	}
	if k.about == nil || !k.about.Equal(cert) || now.After(k.suggested.next) {
		k.about, k.suggested = cert, k.keepChoice(cert, k.Authority.suggest(ctx, cert, now))
	}
	due = renewal(cert, k.suggested, now, k.dice)
	look = due
	if k.suggested.next.Before(look) {
		look = k.suggested.next
	}
	return due, look
}

// keepChoice keeps the time that was chosen in a window for as long as the
// window is the same: choosing again at each look would favour its beginning.
func (k *Keeper) keepChoice(cert *x509.Certificate, s suggestion) suggestion {
	if k.about != nil && k.about.Equal(cert) && s.end.Equal(k.suggested.end) {
		s.at = k.suggested.at
	}
	return s
}

func (k *Keeper) covers(cert *x509.Certificate) bool {
	return !slices.ContainsFunc(k.Names, func(name string) bool { return cert.VerifyHostname(name) != nil })
}

// renew asks the authority. Whatever it says, the certificate in use stays until
// a better one is there.
func (k *Keeper) renew(ctx context.Context, state State, key crypto.Signer, current *x509.Certificate) (next time.Time, err error) {
	accountKey, err := k.key(ctx, k.Files.AccountKey())
	if err != nil {
		return next, fmt.Errorf("the account's key: %w", err)
	}
	chain, account, failure := k.Authority.Obtain(ctx, accountKey, key, k.Names, current)
	if ctx.Err() != nil {
		return next, ctx.Err()
	}
	now := time.Now()
	state.Asked = now.UTC()
	if account.URI != "" {
		state.AccountURI, state.Issuer = account.URI, account.Issuer
	}
	if failure != nil {
		return k.failed(ctx, state, failure, now)
	}
	if err := k.put(ctx, func() error { return k.Files.write(k.Files.Certificate(), chain) }); err != nil {
		return next, fmt.Errorf("writing the certificate: %w", err)
	}
	if k.Shared != nil { // at the next step otherwise
		if err := k.publish(ctx); err != nil {
			k.Log.Warn("the other machines do not have the certificate yet", "error", err)
		}
	}
	k.failures, state.Problem = 0, nil
	cert := leaf(chain, key)
	due, look := k.due(ctx, cert)
	state.Next = due
	k.Log.Info("new certificate", "valid_until", cert.NotAfter, "renewal", due.UTC())
	return k.soon(look), k.save(ctx, state)
}

func (k *Keeper) failed(ctx context.Context, state State, failure error, now time.Time) (next time.Time, err error) {
	k.failures++
	kind, detail := describe(failure)
	problem := Problem{Type: kind, Detail: detail, Since: now.UTC(), Times: k.failures}
	if state.Problem != nil {
		problem.Since = state.Problem.Since
	}
	state.Problem = &problem
	next = laterThan(now.Add(pause(k.failures, kind, rand.Float64())), failure, now)
	state.Next = next
	k.Log.Warn("no new certificate; the old one stays in use", "error", failure, "type", kind, "next", next.UTC().Truncate(time.Second))
	return next, k.save(ctx, state)
}

// lastState is what the file says, if it is about this authority. A file that is
// damaged or missing is begun again.
func (k *Keeper) lastState() State {
	text, err := os.ReadFile(k.Files.StateFile())
	if err == nil {
		if s, err := ParseState(text); err == nil && s.Directory == k.Authority.Directory {
			return s
		}
	}
	return State{Directory: k.Authority.Directory}
}

func (k *Keeper) save(ctx context.Context, s State) error {
	s.Next = s.Next.UTC()
	if err := k.put(ctx, func() error { return k.Files.saveState(s) }); err != nil {
		return fmt.Errorf("writing the state: %w", err)
	}
	return nil
}

func (k *Keeper) key(ctx context.Context, path string) (key crypto.Signer, err error) {
	err = k.put(ctx, func() error {
		key, err = k.Files.key(path)
		return err
	})
	return key, err
}

// put writes something, and again while there is no room for it: a keeper that ended
// for that would begin again, and ask the authority again for what it could not keep,
// which soon gives it no more.
func (k *Keeper) put(ctx context.Context, write func() error) error {
	for told := false; ; told = true {
		err := write()
		if !atomicfile.NoRoom(err) {
			return err
		}
		if !told {
			k.Log.Warn("the disk is full; retrying until there is room", "error", err)
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(roomWait):
		}
	}
}
