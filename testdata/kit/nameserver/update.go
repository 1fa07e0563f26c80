package nameserver

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"strings"

	"github.com/miekg/dns"
)

// AllowUpdates makes a name the top of a zone whose records may be changed with the key:
// by messages of RFC 2136, signed as in RFC 8945 with HMAC-SHA-256.
func (z *Zone) AllowUpdates(zone, key string, secret []byte) error {
	zone, key = dns.CanonicalName(zone), dns.CanonicalName(key)
	if err := z.Add(zone, "SOA", zone+" "+zone+" 1 0 0 0 0"); err != nil {
		return err
	}
	z.mu.Lock()
	defer z.mu.Unlock()
	z.keys[zone], z.secrets[key] = key, secret
	return nil
}

// update does what an update asks, if its signature allows it.
func (z *Zone) update(asked *dns.Msg, signature error) (rcode int) {
	z.mu.Lock()
	defer z.mu.Unlock()
	zone, signed := dns.CanonicalName(asked.Question[0].Name), asked.IsTsig()
	if signed == nil || signature != nil || z.keys[zone] != dns.CanonicalName(signed.Hdr.Name) {
		return dns.RcodeNotAuth
	}
	for _, r := range asked.Ns {
		name, class := dns.CanonicalName(r.Header().Name), r.Header().Class
		if name != zone && !strings.HasSuffix(name, "."+zone) {
			return dns.RcodeNotZone
		}
		if class == dns.ClassINET {
			z.add(r)
			continue
		}
		r.Header().Class = dns.ClassINET
		z.delete(name, func(old dns.RR) bool { return class == dns.ClassANY || dns.IsDuplicate(old, r) })
	}
	return dns.RcodeSuccess
}

// Generate implements dns.TsigProvider.
func (z *Zone) Generate(message []byte, t *dns.TSIG) ([]byte, error) {
	z.mu.RLock()
	secret := z.secrets[dns.CanonicalName(t.Hdr.Name)]
	z.mu.RUnlock()
	if secret == nil {
		return nil, dns.ErrSecret
	}
	if dns.CanonicalName(t.Algorithm) != dns.HmacSHA256 {
		return nil, dns.ErrKeyAlg
	}
	mac := hmac.New(sha256.New, secret)
	mac.Write(message)
	return mac.Sum(nil), nil
}

// Verify implements dns.TsigProvider.
func (z *Zone) Verify(message []byte, t *dns.TSIG) error {
	want, err := z.Generate(message, t)
	if err != nil {
		return err
	}
	if got, err := hex.DecodeString(t.MAC); err != nil || !hmac.Equal(got, want) {
		return dns.ErrSig
	}
	return nil
}
