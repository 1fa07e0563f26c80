// Package mailaddr is the grammar of the relay's own mail addresses. All who read one,
// whether from a login, a recipient or a directory, read it here, so that no two of them
// take one spelling for two mailboxes, or two spellings for one.
package mailaddr

import (
	"errors"
	"strings"
)

// maxLocalPart is in bytes (RFC 5321, section 4.5.3.1.1).
const maxLocalPart = 64

// ErrNotOurs says that something is not an address of this relay.
var ErrNotOurs = errors.New("not an address of this relay")

// Address is an address of this relay, in lower case. Only this file makes one
// that is not empty, so that an Address is safe as the name of a directory: it has
// no slash, holds an "@", and is neither "." nor "..".
type Address struct{ text, local string }

// Delimiter begins the tag of an address, which is the user's own: mail to
// local+tag@domain is for local@domain. Postfix and Dovecot are configured to the same
// one, as recipient_delimiter.
const Delimiter = "+"

// Parse reads an address whose local part consists of [a-z0-9_-], with single
// dots between, at most 64 bytes long, and whose domain is domain. Everything else
// would be quoted or rewritten by one mail program or another. Upper case is folded to
// lower case, as Dovecot's auth_username_format %Lu does. Its error is ErrNotOurs.
func Parse(s, domain string) (Address, error) {
	for i := range len(s) {
		if s[i] > '~' { // strings.ToLower makes ASCII of U+212A, for one
			return Address{}, ErrNotOurs
		}
	}
	s = strings.ToLower(s)
	local, ok := strings.CutSuffix(s, "@"+domain)
	if !ok || len(local) > maxLocalPart || !dotted(local, isLocal) {
		return Address{}, ErrNotOurs
	}
	return Address{text: s, local: local}, nil
}

// ParseRecipient reads an address that may have a tag after its local part, and returns
// the address without it. A tag is written with the characters of a local part and
// further delimiters; the 64 bytes are for both together.
func ParseRecipient(s, domain string) (Address, error) {
	at := strings.LastIndexByte(s, '@')
	local, tag, tagged := strings.Cut(s[:max(at, 0)], Delimiter)
	if !tagged {
		return Parse(s, domain)
	}
	if at > maxLocalPart || !dotted(tag, isTag) {
		return Address{}, ErrNotOurs
	}
	return Parse(local+s[at:], domain)
}

// dotted says whether s consists of atoms with single dots between them: the dot-atom
// of RFC 5322, section 3.2.3.
func dotted(s string, atom func(byte) bool) bool {
	dot := true
	for i := range len(s) {
		if s[i] == '.' && dot || s[i] != '.' && !atom(s[i]) {
			return false
		}
		dot = s[i] == '.'
	}
	return !dot
}

func isLocal(c byte) bool {
	return 'a' <= c && c <= 'z' || '0' <= c && c <= '9' || c == '_' || c == '-'
}

func isTag(c byte) bool { return isLocal(c) || 'A' <= c && c <= 'Z' || c == Delimiter[0] }

// String is the whole address.
func (a Address) String() string { return a.text }

// Local is what stands before the "@".
func (a Address) Local() string { return a.local }
