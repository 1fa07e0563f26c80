package remote

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strings"
)

// NoAccount is a relay's reason for not giving out an account.
type NoAccount struct {
	Status int    // of HTTP
	Reason string // a sentence for people
}

func (e *NoAccount) Error() string { return fmt.Sprintf("%d %s", e.Status, e.Reason) }

// SignUp returns an account that does not exist yet: one made up, as clients do, or
// with the token of an invite one that the relay gives out.
func (r *Relay) SignUp(ctx context.Context, invite string) (Account, error) {
	if invite == "" {
		return NewAccount(r.MailDomain()), nil
	}
	return r.Credentials(ctx, invite)
}

// Credentials asks POST /new for an account; the token of an invite may be "". A
// *NoAccount is the relay's no.
func (r *Relay) Credentials(ctx context.Context, invite string) (Account, error) {
	address := URL(r, "/new")
	if invite != "" {
		address += "?t=" + url.QueryEscape(invite)
	}
	page, err := r.Web(ctx, http.MethodPost, address)
	if err != nil {
		return Account{}, err
	}
	var answer struct{ Email, Password, Reason string }
	err = json.Unmarshal(page.Body, &answer)
	switch {
	case page.Status != http.StatusOK && answer.Reason != "":
		return Account{}, &NoAccount{page.Status, answer.Reason}
	case page.Status != http.StatusOK:
		return Account{}, fmt.Errorf("%d %.80q", page.Status, page.Body)
	case err != nil:
		return Account{}, fmt.Errorf("%.80q is not JSON", page.Body)
	case !isAddress(answer.Email, r.MailDomain()) || answer.Password == "":
		return Account{}, fmt.Errorf("an address %.80q, and a password of %d bytes", answer.Email, len(answer.Password))
	}
	return Account{Address: answer.Email, Password: answer.Password}, nil
}

// isAddress reports whether an address is one of the domain's, and nothing in it would
// end a command (RFC 5321 §4.1.2, Dot-string).
func isAddress(address, domain string) bool {
	const limit = 64 // bytes of a local part: RFC 5321 §4.5.3.1.1
	local, ok := strings.CutSuffix(address, "@"+domain)
	return ok && local != "" && len(local) <= limit && !strings.ContainsFunc(local, func(c rune) bool {
		return c <= ' ' || c >= 0x7f || strings.ContainsRune(`<>(),;:@[]\"`, c)
	})
}
