package dkim

import (
	"crypto"
	"crypto/ed25519"
	"crypto/rsa"
	"crypto/x509"
	"strings"
)

// The bounds of a key in bits (RFC 8301, section 3.2). The upper one bounds what
// a stranger can make us compute.
const (
	minRSA = 1024
	maxRSA = 8192
)

// The bounds of a name. Several keys leave open which one counts (RFC 6376, section
// 3.6.2.2); domains have them nevertheless, while they replace one.
const (
	maxTexts   = 16 // TXT records that are looked at
	maxPerName = 3  // keys that may count
)

// key is a key record (RFC 6376, section 3.6.1) that may count.
type key struct {
	rsa     *rsa.PublicKey    // one of
	ed25519 ed25519.PublicKey // both
	exact   bool              // i= must have the domain of d= itself
}

// parseKey reads the text of a record, all strings of it joined.
func parseKey(text string) (*key, error) {
	l, err := parseTags(unquote(text))
	if err != nil {
		return nil, errKey
	}
	p, ok := l.find("p")
	switch {
	case l.has("v") && (l[0].name != "v" || l[0].value != "DKIM1"), !ok:
		return nil, errKey
	case p.value == "":
		return nil, errRevoked
	case l.has("h") && !contains(items(l.value("h", "")), "sha256"):
		return nil, errKeyUse
	}
	if services := items(l.value("s", "*")); !contains(services, "*") && !contains(services, "email") {
		return nil, errKeyUse
	}
	public, err := decode64(p.value)
	if err != nil {
		return nil, errKey
	}
	k := &key{exact: contains(items(l.value("t", "")), "s")}
	switch l.value("k", "rsa") {
	case "rsa":
		k.rsa, err = parseRSA(public)
	case "ed25519":
		if k.ed25519 = public; len(public) != ed25519.PublicKeySize {
			err = errKey
		}
	default:
		err = errKeyType
	}
	if err != nil {
		return nil, err
	}
	return k, nil
}

// unquote takes out quotation marks, and the white space between two: some put a record
// into the DNS as it is written in a zone file, strings and all. No key needs one.
func unquote(text string) string {
	if !strings.Contains(text, `"`) {
		return text
	}
	var b strings.Builder
	for part := range strings.SplitSeq(text, `"`) {
		if trim(part) != "" {
			b.WriteString(part)
		}
	}
	return b.String()
}

// parseRSA knows both forms in use: the RFC names one and shows the other
// (erratum 3017).
func parseRSA(der []byte) (*rsa.PublicKey, error) {
	var k *rsa.PublicKey
	if parsed, err := x509.ParsePKIXPublicKey(der); err == nil {
		k, _ = parsed.(*rsa.PublicKey)
	} else if k, err = x509.ParsePKCS1PublicKey(der); err != nil {
		return nil, errKey
	}
	if k == nil {
		return nil, errKeyType
	}
	if n := k.N.BitLen(); n < minRSA || n > maxRSA {
		return nil, errKeySize
	}
	return k, nil
}

// verify checks the value of a signature over a digest.
func (k *key) verify(s *signature, digest []byte) error {
	switch {
	case k.exact && s.identity != s.domain:
		return errKeyExact
	case s.algorithm == "rsa" && k.rsa != nil:
		if rsa.VerifyPKCS1v15(k.rsa, crypto.SHA256, digest, s.value) != nil {
			return errHeaderSig
		}
	case s.algorithm == "ed25519" && k.ed25519 != nil:
		// What is signed is the hash (RFC 8463, section 3).
		if !ed25519.Verify(k.ed25519, digest, s.value) {
			return errHeaderSig
		}
	default:
		return errKeyType
	}
	return nil
}

// CheckKey says why the key records of a name, the strings of each joined, cannot
// prove any signature; nil if they can.
func CheckKey(texts []string) error {
	_, err := choose(texts)
	return err
}

// choose takes the keys of a name that may count. If none does, it says why the first one
// does not.
func choose(texts []string) (keys []*key, err error) {
	if len(texts) == 0 {
		return nil, errNoKey
	}
	for _, text := range texts[:min(len(texts), maxTexts)] {
		k, fault := parseKey(text)
		switch {
		case fault == nil && len(keys) < maxPerName:
			keys = append(keys, k)
		case err == nil:
			err = fault
		}
	}
	if keys != nil {
		return keys, nil
	}
	return nil, err
}
