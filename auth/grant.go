package auth

import (
	"crypto/hmac"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base32"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"time"
)

// A grant is a password that proves to doveauth that /new handed it out for a
// valid invite token, without a word between the two daemons:
//
//	random (16 characters) · time (8) · code (16)
//
// Time is when it was handed out, in seconds, to the base of 36; code is an
// HMAC-SHA256, cut to 80 bits, over address, random and time, under a key that
// web and doveauth share. It makes an account at that one address, within
// grantAge; as a password it has the 82 random bits that any other has.
const (
	grantRandom = 16
	grantTime   = 8
	grantCode   = 16

	grantAge  = 24 * time.Hour
	grantSkew = 5 * time.Minute // of a clock that was set back
)

// letters are those of names and passwords that we make.
const letters = "abcdefghijklmnopqrstuvwxyz0123456789"

// passwordExtra is by how many characters a password that we make is longer than
// it must be.
const passwordExtra = 3

var grantCoding = base32.NewEncoding("abcdefghijklmnopqrstuvwxyz234567").WithPadding(base32.NoPadding)

// Issue makes up an address at domain and a password that p accepts. Under Invite
// the caller has taken a use of a valid token before. Random is the source of
// random octets.
func Issue(p *Policy, domain string, now time.Time, random io.Reader) (address, password string, err error) {
	var addr Address
	for addr.local == "" || reserved(addr.local) || slices.Contains(p.Reserved, addr.local) {
		local, err := randomText(random, p.MaxLocal)
		if err != nil {
			return "", "", err
		}
		if addr, err = ParseAddress(local+"@"+domain, domain); err != nil {
			return "", "", fmt.Errorf("making up an address: %w", err)
		}
	}
	n := max(p.MinPassword+passwordExtra, passwordExtra)
	for n < MaxPassword && slices.Contains(p.RefusedPasswordLengths, n) {
		n++
	}
	n = min(n, MaxPassword)
	if p.Registration == Invite {
		n = max(grantRandom, p.MinPassword-grantTime-grantCode)
		for n+grantTime+grantCode < MaxPassword && slices.Contains(p.RefusedPasswordLengths, n+grantTime+grantCode) {
			n++
		}
	}
	if password, err = randomText(random, n); err != nil {
		return "", "", err
	}
	if p.Registration == Invite {
		at := strconv.FormatInt(now.Unix(), 36)
		password += strings.Repeat("0", max(0, grantTime-len(at))) + at
		password += grantMAC(p.GrantKey, addr, password)
	}
	return addr.String(), password, nil
}

// granted reports whether password is a grant for addr that may still be used.
func granted(key []byte, addr Address, password string, now time.Time) bool {
	signed := len(password) - grantCode
	if len(key) == 0 || signed < grantRandom+grantTime {
		return false
	}
	code := grantMAC(key, addr, password[:signed])
	if subtle.ConstantTimeCompare([]byte(code), []byte(password[signed:])) != 1 {
		return false
	}
	issued, err := strconv.ParseInt(strings.TrimLeft(password[signed-grantTime:signed], "0"), 36, 64)
	if err != nil {
		return false
	}
	age := now.Sub(time.Unix(issued, 0))
	return -grantSkew <= age && age <= grantAge
}

func grantMAC(key []byte, addr Address, text string) string {
	mac := hmac.New(sha256.New, key)
	fmt.Fprintf(mac, "chatmaild grant\x00%s\x00%s", addr, text)
	return grantCoding.EncodeToString(mac.Sum(nil)[:grantCode*5/8])
}

// randomText returns n letters, each as likely as any other.
func randomText(random io.Reader, n int) (string, error) {
	const even = 256 - 256%len(letters)
	text := make([]byte, 0, n)
	buf := make([]byte, 2*n)
	for len(text) < n {
		if _, err := io.ReadFull(random, buf); err != nil {
			return "", fmt.Errorf("reading random octets: %w", err)
		}
		for _, b := range buf {
			if int(b) < even && len(text) < n {
				text = append(text, letters[int(b)%len(letters)])
			}
		}
	}
	return string(text), nil
}
