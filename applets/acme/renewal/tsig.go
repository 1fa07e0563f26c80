package renewal

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"regexp"
	"strings"
	"sync"
	"time"
)

const (
	updateFudge = 300 // seconds that the clocks may differ (RFC 8945 §10)
	typeTSIG    = 250 // RFC 8945 §4.2
)

// hmacSHA256 is the only algorithm: every server has it (RFC 8945 §6).
const hmacSHA256 = "hmac-sha256."

// Key is a key for updates.
type Key struct {
	Name   string // with the final dot
	Secret []byte
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
	key := Key{Name: strings.ToLower(strings.TrimSuffix(string(m[1]), ".")) + "."}
	for field := range strings.SplitSeq(string(m[2]), ";") {
		name, value, _ := strings.Cut(strings.TrimSpace(field), " ")
		value = strings.Trim(strings.TrimSpace(value), `"`)
		switch name {
		case "algorithm":
			if value+"." != hmacSHA256 {
				return Key{}, fmt.Errorf("its algorithm is %s, want hmac-sha256", value)
			}
		case "secret":
			secret, err := base64.StdEncoding.DecodeString(value)
			if err != nil {
				return Key{}, fmt.Errorf("its secret is not base64: %w", err)
			}
			key.Secret = secret
		}
	}
	if len(key.Secret) == 0 {
		return Key{}, errors.New("it has no secret")
	}
	return key, nil
}

// sign appends a TSIG record to a message (RFC 8945 §4.2 and §4.3.3).
func (k Key) sign(message []byte, now time.Time) []byte {
	var when []byte // 48 bits of time, then the fudge
	when = binary.BigEndian.AppendUint64(when, uint64(now.Unix()))[2:]
	when = binary.BigEndian.AppendUint16(when, updateFudge)
	owner, algorithm := wireName(k.Name), wireName(hmacSHA256)

	mac := hmac.New(sha256.New, k.Secret)
	mac.Write(message)
	mac.Write(owner)
	mac.Write([]byte{0, 255, 0, 0, 0, 0}) // class ANY, TTL 0
	mac.Write(algorithm)
	mac.Write(when)
	mac.Write([]byte{0, 0, 0, 0}) // no error, no other data

	data := append(algorithm, when...)
	data = binary.BigEndian.AppendUint16(data, sha256.Size)
	data = mac.Sum(data)
	data = append(data, message[:2]...) // the original ID
	data = append(data, 0, 0, 0, 0)

	signed := append(append([]byte(nil), message...), owner...)
	signed = append(signed, 0, typeTSIG, 0, 255, 0, 0, 0, 0)
	signed = binary.BigEndian.AppendUint16(signed, uint16(len(data)))
	signed = append(signed, data...)
	const additional = 10 // where the header counts the records of that section
	count := binary.BigEndian.Uint16(signed[additional:])
	binary.BigEndian.PutUint16(signed[additional:], count+1)
	return signed
}

// wireName is a name without compression, in lower case (RFC 8945 §4.3.3).
func wireName(name string) (wire []byte) {
	for label := range strings.SplitSeq(strings.TrimSuffix(strings.ToLower(name), "."), ".") {
		wire = append(append(wire, byte(len(label))), label...)
	}
	return append(wire, 0)
}
