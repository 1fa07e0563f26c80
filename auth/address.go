package auth

import (
	"errors"
	"strings"
)

// maxLocalPart is in octets (RFC 5321 §4.5.3.1.1).
const maxLocalPart = 64

// ErrAddress says that something is not an address of this relay.
var ErrAddress = errors.New("not an address of this relay")

// Address is an address of this relay, in lower case. Only ParseAddress makes one
// that is not empty, so that an Address is safe as the name of a folder: it has
// no slash, holds an "@", and is neither "." nor "..".
type Address struct{ text, local string }

// ParseAddress reads an address whose local part is of [a-z0-9._-], at most 64
// octets long, and whose domain is domain. Upper case is folded to lower case, as
// Dovecot's auth_username_format %Lu does. Its error is ErrAddress.
func ParseAddress(s, domain string) (Address, error) {
	for i := range len(s) {
		if s[i] > '~' { // strings.ToLower makes ASCII of U+212A, for one
			return Address{}, ErrAddress
		}
	}
	s = strings.ToLower(s)
	local, ok := strings.CutSuffix(s, "@"+domain)
	if !ok || local == "" || len(local) > maxLocalPart {
		return Address{}, ErrAddress
	}
	for i := range len(local) {
		if !isLocal(local[i]) {
			return Address{}, ErrAddress
		}
	}
	return Address{text: s, local: local}, nil
}

func isLocal(c byte) bool {
	return 'a' <= c && c <= 'z' || '0' <= c && c <= '9' || c == '.' || c == '_' || c == '-'
}

// String is the whole address.
func (a Address) String() string { return a.text }

// Local is what stands before the "@".
func (a Address) Local() string { return a.local }
