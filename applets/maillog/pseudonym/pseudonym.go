package pseudonym

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base32"
	"hash"
	"net/netip"
	"strings"
)

// size is how many bytes of a MAC a pseudonym has: of a million names in a day, some
// two share one by chance.
const size = 5

var encoding = base32.NewEncoding("abcdefghijkmnpqrstuvwxyz23456789").WithPadding(base32.NoPadding)

// A Namer makes pseudonyms by a secret key (HMAC-SHA-256, RFC 2104): without it no
// one can tell by trying which name a pseudonym stands for. It is for one goroutine.
type Namer struct {
	mac hash.Hash
}

// New returns a Namer with that key.
func New(key []byte) *Namer {
	return &Namer{mac: hmac.New(sha256.New, key)}
}

// Name returns the pseudonym of an address, an IP address or any other name, as it
// stands in lines: with "addr-", "ip-" or "name-" in front. Case makes no difference,
// nor do the many ways to write an IPv6 address.
func (n *Namer) Name(name string) string {
	return string(n.appendName(nil, name))
}

func (n *Namer) appendName(dst []byte, name string) []byte {
	kind := "name-"
	literal := strings.TrimPrefix(strings.TrimSuffix(strings.TrimPrefix(name, "["), "]"), "IPv6:")
	if ip, err := netip.ParseAddr(literal); err == nil {
		kind, name = "ip-", ip.Unmap().String()
	} else if hasAt(name) {
		kind, name = "addr-", strings.ReplaceAll(name, "%40", "@")
	}
	n.mac.Reset()
	n.mac.Write([]byte(strings.ToLower(name)))
	var sum [sha256.Size]byte
	n.mac.Sum(sum[:0])
	return encoding.AppendEncode(append(dst, kind...), sum[:size])
}

func hasAt(s string) bool {
	return strings.Contains(s, "@") || strings.Contains(s, "%40")
}
