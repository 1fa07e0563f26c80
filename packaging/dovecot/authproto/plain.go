package authproto

import (
	"encoding/base64"
	"errors"
	"strings"
)

// Errors of ParsePlain.
var (
	ErrBase64 = errors.New("the response is not valid base64")
	// ErrPlain says that a response is not "authorize NUL user NUL password", or
	// wants to act for another user.
	ErrPlain = errors.New("the response is not SASL PLAIN")
)

// Credentials are a user's name and password, as the client sent them.
type Credentials struct{ User, Password string }

// ParsePlain parses the response of the mechanism PLAIN (RFC 4616 §2), in base64.
// Nobody may act for another user here: the authorization identity must be empty,
// or the user.
func ParsePlain(response string) (Credentials, error) {
	if strings.ContainsAny(response, "\r\n") { // which Go's decoder skips
		return Credentials{}, ErrBase64
	}
	text, err := base64.StdEncoding.Strict().DecodeString(response)
	if err != nil {
		return Credentials{}, ErrBase64
	}
	part := strings.Split(string(text), "\x00")
	if len(part) != 3 || part[1] == "" || part[2] == "" {
		return Credentials{}, ErrPlain
	}
	if part[0] != "" && part[0] != part[1] {
		return Credentials{}, ErrPlain
	}
	return Credentials{User: part[1], Password: part[2]}, nil
}
