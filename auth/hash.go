package auth

import (
	"errors"
	"fmt"
	"strings"

	"golang.org/x/crypto/bcrypt"
)

// blfCrypt is Dovecot's name of bcrypt.
const blfCrypt = "{BLF-CRYPT}"

// blocked stands before the stored password of a blocked account.
const blocked = "!"

// maxStored bounds a stored password, in bytes. The longest of Dovecot's own
// schemes (SCRAM-SHA-256, PBKDF2) have about 200.
const maxStored = 512

// errStored says that a stored password is none.
var errStored = errors.New("it is not of the form {SCHEME}hash")

// Hash returns password as it is stored: bcrypt, in the form "$2y$" that every
// crypt(3) reads alike. Cost is the binary logarithm of its rounds.
func Hash(password string, cost int) (string, error) {
	if len(password) > MaxPassword {
		return "", fmt.Errorf("the password has more than %d bytes", MaxPassword)
	}
	h, err := bcrypt.GenerateFromPassword([]byte(password), cost)
	if err != nil {
		return "", fmt.Errorf("hashing a password: %w", err)
	}
	return blfCrypt + "$2y$" + string(h[len("$2a$"):]), nil
}

// Block returns stored in the form that no password matches. It is idempotent.
func Block(stored string) string {
	if IsBlocked(stored) {
		return stored
	}
	return blocked + stored
}

// Unblock is the inverse of Block.
func Unblock(stored string) string { return strings.TrimPrefix(stored, blocked) }

// IsBlocked reports whether an operator has blocked the account.
func IsBlocked(stored string) bool { return strings.HasPrefix(stored, blocked) }

// Scheme is Dovecot's name of how a password is stored, or "" if it is not.
func Scheme(stored string) string {
	scheme, _, ok := strings.Cut(strings.TrimPrefix(Unblock(stored), "{"), "}")
	if !ok {
		return ""
	}
	return scheme
}
