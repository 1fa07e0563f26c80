// Package credential makes and checks the passwords of a TURN server, as coturn's
// use-auth-secret does (draft-uberti-behave-turn-rest): the user name is the Unix time
// at which they expire, the password an HMAC of it.
//
// chatmail clients read "host:port:expiry:password" from METADATA, take the expiry for
// the user name, and so want a bare number there (chatmail/core, src/calls.rs). To tell
// users apart by it, each has seconds of the day of his own at which all of his expire:
// so nobody has more than a few at a time, however often he asks, and the server learns
// no address.
package credential

import (
	"crypto/hmac"
	"crypto/sha1"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"strconv"
	"strings"
	"time"
)

const (
	// Lifetime is the longest that a password is valid, and the shortest is a day less.
	Lifetime = 5 * 24 * time.Hour
	day      = 24 * 60 * 60 // seconds
)

// Secret is what the metadata daemon and the TURN server share.
type Secret string

// minSecret is the shortest secret, in bytes: of chatmail-turn, "north" is known.
const minSecret = 16

// ErrSecret says that a file has no secret to rely on.
var ErrSecret = errors.New("want a secret of 16 characters at least, without blanks")

// Parse reads the content of a secret's file.
func Parse(text []byte) (Secret, error) {
	s := strings.TrimSpace(string(text))
	if len(s) < minSecret || strings.ContainsAny(s, " \t\r\n\x00") {
		return "", ErrSecret
	}
	return Secret(s), nil
}

// Issue returns the user name and the password that user gets at a time.
func (s Secret) Issue(user string, now time.Time) (name, password string) {
	mac := hmac.New(sha256.New, []byte(s))
	mac.Write([]byte("user:" + user))
	offset := int64(binary.BigEndian.Uint32(mac.Sum(nil)) % day)
	latest := now.Add(Lifetime).Unix()
	name = strconv.FormatInt(latest-(latest-offset)%day, 10)
	return name, s.Password(name)
}

// Password returns the one that belongs to a user name.
func (s Secret) Password(name string) string {
	mac := hmac.New(sha1.New, []byte(s))
	mac.Write([]byte(name))
	return base64.StdEncoding.EncodeToString(mac.Sum(nil))
}

// Valid reports whether a user name is one that Issue may have returned.
func Valid(name string, now time.Time) bool {
	expiry, err := strconv.ParseInt(name, 10, 64)
	left := expiry - now.Unix()
	return err == nil && left > 0 && left <= int64(Lifetime/time.Second)+60 && strconv.FormatInt(expiry, 10) == name
}
