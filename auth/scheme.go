package auth

import (
	"crypto/sha256"
	"crypto/sha512"
	"crypto/subtle"
	"errors"
	"fmt"
	"hash"
	"strconv"
	"strings"

	"github.com/go-crypt/x/crypt"
	"golang.org/x/crypto/bcrypt"
)

// Stored passwords are in one of these forms of crypt(3), under Dovecot's names
// (doc.dovecot.org, "Password schemes"). {BLF-CRYPT} is ours; {SHA512-CRYPT} is all
// that the Python relay has ever written; the others an operator may have made with
// "doveadm pw", whose default is {CRYPT}.
var schemes = map[string][]string{
	"BLF-CRYPT":    bcryptPrefixes,
	"SHA256-CRYPT": {sha256Prefix},
	"SHA512-CRYPT": {sha512Prefix},
	"CRYPT":        append([]string{sha256Prefix, sha512Prefix}, bcryptPrefixes...),
}

var bcryptPrefixes = []string{"$2a$", "$2b$", "$2y$"}

const (
	sha256Prefix = "$5$"
	sha512Prefix = "$6$"
)

// Bounds of SHA-crypt (https://akkadia.org/drepper/SHA-crypt.txt).
const (
	defaultRounds  = 5000
	minRounds      = 1000
	maxRounds      = 100_000 // a tenth of a second; the specification allows far more
	maxSalt        = 16      // bytes
	maxSHAPassword = 255     // bytes; the time grows with the password, and RFC 4616 has no longer ones
)

// ErrScheme says that a stored password is in a form that is not supported here, and may
// be a good one elsewhere.
var ErrScheme = errors.New("the scheme is not supported")

// verifier checks passwords against one stored hash.
type verifier interface{ matches(password string) bool }

// parseStored returns how a stored password is checked. The error says what is
// wrong with it.
func parseStored(stored string) (verifier, error) {
	name, hash, ok := strings.Cut(stored, "}")
	if !ok || !strings.HasPrefix(name, "{") || len(name) < 2 || hash == "" || len(stored) > maxStored {
		return nil, errStored
	}
	for i := range len(stored) {
		if c := stored[i]; c <= ' ' || c > '~' {
			return nil, errStored
		}
	}
	name = strings.ToUpper(name[1:])
	prefixes, ok := schemes[name]
	if !ok {
		return nil, fmt.Errorf("%w: %.20s", ErrScheme, name)
	}
	for _, prefix := range prefixes {
		switch rest, ok := strings.CutPrefix(hash, prefix); {
		case !ok:
		case prefix == sha256Prefix:
			return parseSHACrypt(rest, sha256.New, 43)
		case prefix == sha512Prefix:
			return parseSHACrypt(rest, sha512.New, 86)
		default:
			return parseBcrypt(hash)
		}
	}
	if name == "CRYPT" && strings.HasPrefix(hash, "$") {
		return nil, fmt.Errorf("%w: CRYPT with %.4s", ErrScheme, hash) // another method of crypt(5)
	}
	return nil, fmt.Errorf("it is not a hash of %s", name)
}

// CheckStored shows what is wrong with a stored password, if nobody could log in
// with it.
func CheckStored(stored string) error {
	_, err := parseStored(stored)
	return err
}

// Matches reports whether password is the one of a stored hash.
func Matches(stored, password string) bool {
	v, err := parseStored(stored)
	return err == nil && v.matches(password)
}

// bcryptHash is "$2y$cost$saltsum".
type bcryptHash string

func parseBcrypt(hash string) (verifier, error) {
	cost, err := bcrypt.Cost([]byte(hash))
	if err != nil || len(hash) != 60 {
		return nil, errors.New("it is not a bcrypt hash")
	}
	if cost > MaxCost {
		return nil, fmt.Errorf("its bcrypt cost is %d; the maximum is %d", cost, MaxCost)
	}
	return bcryptHash(hash), nil
}

// matches is never true of a password that is longer than bcrypt reads.
func (h bcryptHash) matches(password string) bool {
	return len(password) <= MaxPassword && bcrypt.CompareHashAndPassword([]byte(h), []byte(password)) == nil
}

// shaCrypt is "[rounds=N$]salt$sum".
type shaCrypt struct {
	digest    func() hash.Hash
	rounds    int
	salt, sum string
}

// parseSHACrypt parses what follows the prefix. Length is that of the sum.
func parseSHACrypt(text string, digest func() hash.Hash, length int) (verifier, error) {
	h := shaCrypt{digest: digest, rounds: defaultRounds}
	if rest, ok := strings.CutPrefix(text, "rounds="); ok {
		number, rest, _ := strings.Cut(rest, "$")
		rounds, err := strconv.ParseUint(number, 10, 32)
		if err != nil || rounds > maxRounds {
			return nil, fmt.Errorf("it has %.20s rounds of SHA-crypt; the maximum is %d", number, maxRounds)
		}
		h.rounds, text = max(int(rounds), minRounds), rest
	}
	salt, sum, ok := strings.Cut(text, "$")
	if !ok || len(salt) > maxSalt || len(sum) != length {
		return nil, errors.New("it is not a SHA-crypt hash")
	}
	h.salt, h.sum = salt, sum
	return h, nil
}

func (h shaCrypt) matches(password string) bool {
	if len(password) > maxSHAPassword {
		return false
	}
	sum := crypt.KeySHACrypt(h.digest, []byte(password), []byte(h.salt), h.rounds)
	return subtle.ConstantTimeCompare(sum, []byte(h.sum)) == 1
}
