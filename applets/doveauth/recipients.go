package doveauth

import (
	"context"
	"fmt"
	"log/slog"
	"strings"

	"chatmaild/auth"
	"chatmaild/packaging/postfix/socketmap"
)

// recipientDelimiter begins the part of an address that is the user's own, as
// recipient_delimiter does in Postfix and Dovecot.
const recipientDelimiter = "+"

// recipients is the table of who is at home here, for Postfix: see
// local_recipient_maps in packaging/postfix/main.cf.tmpl. It is the question that
// Dovecot asks of userdb when the mail is delivered, asked before it is taken.
type recipients struct {
	accounts *auth.Service
	log      *slog.Logger
}

var _ socketmap.Handler = (*recipients)(nil)

// Lookup implements socketmap.Handler. What Postfix does with the value is no
// more than to see that there is one.
func (r *recipients) Lookup(_ context.Context, table, key string) (string, bool, error) {
	if table != "recipients" {
		return "", false, fmt.Errorf("doveauth has no table %.20q", table)
	}
	_, found, err := r.accounts.User(withoutDetail(key))
	if err != nil {
		return "", false, fault(r.log, "look-up of a recipient", key, err)
	}
	return "known", found, nil
}

// withoutDetail cuts "user+detail@domain" to "user@domain". Postfix asks a table
// of this kind for whole addresses only.
func withoutDetail(address string) string {
	at := strings.LastIndexByte(address, '@')
	if at < 0 {
		return address
	}
	user, _, _ := strings.Cut(address[:at], recipientDelimiter)
	return user + address[at:]
}
