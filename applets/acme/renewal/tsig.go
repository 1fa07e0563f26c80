package renewal

import (
	"encoding/base64"
	"errors"
	"fmt"
	"regexp"
	"strings"
	"sync"

	"github.com/miekg/dns"
)

// Key is a key for updates.
type Key struct {
	Name   string // with the final dot
	Secret string // in base64
}

// keyFile is compiled when it is needed: most processes read no key.
var keyFile = sync.OnceValue(func() *regexp.Regexp {
	return regexp.MustCompile(`(?s)^\s*key\s+"?([^\s"{]+)"?\s*\{(.*)\}\s*;?\s*$`)
})

// ParseUpdateKey reads a key file as tsig-keygen(8) writes it.
func ParseUpdateKey(text []byte) (Key, error) {
	m := keyFile().FindSubmatch(text)
	if m == nil {
		return Key{}, errors.New("it is not what tsig-keygen writes: key NAME { algorithm …; secret …; };")
	}
	key := Key{Name: dns.CanonicalName(string(m[1]))}
	for field := range strings.SplitSeq(string(m[2]), ";") {
		name, value, _ := strings.Cut(strings.TrimSpace(field), " ")
		value = strings.Trim(strings.TrimSpace(value), `"`)
		switch name {
		case "algorithm":
			// It is the only one: every server has it (RFC 8945 §6).
			if dns.Fqdn(value) != dns.HmacSHA256 {
				return Key{}, fmt.Errorf("its algorithm is %s, want hmac-sha256", value)
			}
		case "secret":
			if _, err := base64.StdEncoding.DecodeString(value); err != nil {
				return Key{}, fmt.Errorf("its secret is not base64: %w", err)
			}
			key.Secret = value
		}
	}
	if key.Secret == "" {
		return Key{}, errors.New("it has no secret")
	}
	return key, nil
}
