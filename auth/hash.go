package auth

import (
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"strings"

	"golang.org/x/crypto/bcrypt"
)

// blfCrypt is Dovecot's name of bcrypt.
const blfCrypt = "{BLF-CRYPT}"

// blocked stands before the stored password of a blocked account.
const blocked = "!"

// maxStored bounds a stored password, in octets. The longest of Dovecot's own
// schemes (SCRAM-SHA-256, PBKDF2) have about 200.
const maxStored = 512

// errStored says that a stored password is none.
var errStored = errors.New("it is not of the form {SCHEME}hash")

// Hash returns password as it is stored: bcrypt, in the form "$2y$" that every
// crypt(3) reads alike. Cost is the binary logarithm of its rounds.
func Hash(password string, cost int) (string, error) {
	if len(password) > MaxPassword {
		return "", fmt.Errorf("the password has more than %d octets", MaxPassword)
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

// CheckStored says what is wrong with a stored password. For bcrypt it looks at
// all of it, since nobody else will.
func CheckStored(stored string) error {
	scheme, hash, ok := strings.Cut(stored, "}")
	if !ok || !strings.HasPrefix(scheme, "{") || len(scheme) < 2 || hash == "" || len(stored) > maxStored {
		return errStored
	}
	for i := range len(stored) {
		if c := stored[i]; c <= ' ' || c > '~' {
			return errStored
		}
	}
	if !isBcrypt(stored) {
		return nil
	}
	cost, err := bcrypt.Cost([]byte(hash))
	if err != nil || len(hash) != 60 {
		return errors.New("it is no bcrypt hash")
	}
	if cost > MaxCost {
		return fmt.Errorf("its bcrypt cost is %d, and at most %d is borne", cost, MaxCost)
	}
	return nil
}

func isBcrypt(stored string) bool { return strings.HasPrefix(stored, blfCrypt) }

// Matches reports whether password is the one of a stored hash that is bcrypt's;
// of others it does not know.
func Matches(stored, password string) bool {
	return isBcrypt(stored) && matches(stored, password)
}

// matches reports whether password is the one of a stored bcrypt hash. One that
// is longer than bcrypt reads never is.
func matches(stored, password string) bool {
	hash := stored[len(blfCrypt):]
	return len(password) <= MaxPassword && bcrypt.CompareHashAndPassword([]byte(hash), []byte(password)) == nil
}

// proofOf returns a hash that only password matches and that is cheap to check.
func proofOf(password string) string {
	sum := sha256.Sum256([]byte(password))
	return "{SHA256}" + base64.StdEncoding.EncodeToString(sum[:])
}

// noProof is a digest whose password nobody knows: 32 zero octets.
const noProof = "{SHA256}AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="
