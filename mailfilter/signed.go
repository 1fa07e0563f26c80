package mailfilter

import (
	"errors"
	"io"

	"chatmaild/mailfilter/dkim"
)

var (
	errUnsigned = errors.New("no DKIM signature")
	errLookup   = errors.New("the look-up of a DKIM key failed")
)

// signed adds to a rule that the author's domain is proven. It has its say only
// if the rule has nothing against the message.
func signed(v *dkim.Verifier, h *Header, domain string, body rule) rule {
	return func(r io.Reader) error {
		m := v.Begin(h.Raw(), domain)
		defer m.Close()
		if err := body(io.TeeReader(r, m)); err != nil {
			return err
		}
		return unproven(m.Verify())
	}
}

func unproven(err error) error {
	var no *dkim.Invalid
	switch {
	case err == nil:
		return nil
	case errors.Is(err, dkim.ErrUnsigned):
		return refuse(Unsigned, errUnsigned)
	case errors.Is(err, dkim.ErrPending):
		return refuse(KeyPending, dkim.ErrPending)
	case errors.Is(err, dkim.ErrFuture):
		return refuse(FutureSignature, dkim.ErrFuture)
	case errors.As(err, &no):
		return refuse(BadSignature, no.Err)
	default:
		return refuse(KeyUnknown, errLookup)
	}
}
