package auth

import (
	"crypto/hmac"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base32"
	"fmt"
	"strconv"
	"strings"
	"time"

	"chatmaild/auth/mailaddr"
)

// A grant is a password that proves to doveauth that /new handed it out for a
// valid invite token, without a word between the two daemons:
//
//	secret · time (8 characters) · code (16 characters)
//
// Secret is a good password as it is. Time is when it was handed out, in seconds,
// to the base of 36; code is an HMAC-SHA256, cut to 80 bits, over address, secret
// and time, under a key that web and doveauth share. It makes an account at that
// one address within grantAge, and is afterwards a password like any other.
const (
	grantTime = 8
	grantCode = 16

	grantAge  = 24 * time.Hour
	grantSkew = 5 * time.Minute // of a clock that was set back
)

// MaxGranted is how long the secret of a grant may be, in bytes.
const MaxGranted = MaxPassword - grantTime - grantCode

// minGranted keeps anybody from passing off a short password as a grant's secret.
const minGranted = 16

// Grant makes a password out of secret that lets address in under Invite.
func Grant(key []byte, address, secret string, now time.Time) (password string, err error) {
	if len(key) == 0 || len(secret) < minGranted || len(secret) > MaxGranted {
		return "", fmt.Errorf("a grant needs a key, and a secret of %d to %d bytes", minGranted, MaxGranted)
	}
	at := strconv.FormatInt(now.Unix(), 36)
	password = secret + strings.Repeat("0", max(0, grantTime-len(at))) + at
	return password + grantMAC(key, address, password), nil
}

// granted reports whether password is a grant for addr that may still be used.
func granted(key []byte, addr mailaddr.Address, password string, now time.Time) bool {
	signed := len(password) - grantCode
	if len(key) == 0 || signed < minGranted+grantTime {
		return false
	}
	code := grantMAC(key, addr.String(), password[:signed])
	if subtle.ConstantTimeCompare([]byte(code), []byte(password[signed:])) != 1 {
		return false
	}
	issued, err := strconv.ParseInt(password[signed-grantTime:signed], 36, 64)
	if err != nil {
		return false
	}
	age := now.Sub(time.Unix(issued, 0))
	return -grantSkew <= age && age <= grantAge
}

func grantMAC(key []byte, address, text string) string {
	mac := hmac.New(sha256.New, key)
	fmt.Fprintf(mac, "chatmaild grant\x00%s\x00%s", address, text)
	return strings.ToLower(base32.StdEncoding.EncodeToString(mac.Sum(nil)[:grantCode*5/8]))
}
