package dkim

import (
	"crypto/sha256"
	"strconv"
	"strings"
	"time"
)

// The bounds of a signature.
const (
	maxNames = 256             // field names in h=
	maxQuery = 253             // bytes of the name of the key's record (RFC 1035, section 2.3.4)
	maxSkew  = 5 * time.Minute // how far the signer's clock may be ahead
)

// signature is a DKIM-Signature field (RFC 6376, section 3.5) that may count.
type signature struct {
	algorithm string // "rsa" or "ed25519"
	domain    string // in lower case
	selector  string
	identity  string // the domain of i=, in lower case
	fields    []string
	bodyHash  []byte
	value     []byte

	relaxedHeader, relaxedBody bool
}

// parseSignature checks all that can be checked without the key and the body.
func parseSignature(l tags, now time.Time) (*signature, error) {
	s := &signature{
		domain:   lower(l.value("d", "")),
		selector: l.value("s", ""),
		fields:   items(l.value("h", "")),
	}
	s.algorithm, _ = strings.CutSuffix(l.value("a", ""), "-sha256")
	switch {
	case l.value("v", "") != "1":
		return nil, errVersion
	case l.value("a", "") != "rsa-sha256" && l.value("a", "") != "ed25519-sha256":
		return nil, errAlgorithm
	case l.has("l"):
		return nil, errLength
	case !hostname(s.name()) || len(s.name()) > maxQuery:
		return nil, errSelector
	case !contains(items(l.value("q", "dns/txt")), "dns/txt"):
		return nil, errQuery
	}
	for _, check := range []func(tags) error{s.canonicalization, s.covers, s.identify, s.decode} {
		if err := check(l); err != nil {
			return nil, err
		}
	}
	return s, times(l, now)
}

// canonicalization reads c=; what it leaves out is simple.
func (s *signature) canonicalization(l tags) error {
	header, body, _ := strings.Cut(l.value("c", "simple/simple"), "/")
	if body == "" && !strings.HasSuffix(l.value("c", ""), "/") {
		body = "simple"
	}
	if header != "simple" && header != "relaxed" || body != "simple" && body != "relaxed" {
		return errCanonical
	}
	s.relaxedHeader, s.relaxedBody = header == "relaxed", body == "relaxed"
	return nil
}

// covers wants From among the fields.
func (s *signature) covers(tags) error {
	if len(s.fields) > maxNames {
		return errNames
	}
	for i, name := range s.fields {
		s.fields[i] = lower(name)
		if name == "" || strings.ContainsAny(name, " \t\r\n") {
			return errTags
		}
	}
	if !contains(s.fields, "from") {
		return errUncovered
	}
	return nil
}

// identify reads i=, whose domain is d= or below it.
func (s *signature) identify(l tags) error {
	value := l.value("i", "@"+s.domain)
	at := strings.LastIndexByte(value, '@')
	s.identity = lower(trim(value[at+1:]))
	if at < 0 || s.identity != s.domain && !strings.HasSuffix(s.identity, "."+s.domain) {
		return errIdentity
	}
	return nil
}

func (s *signature) decode(l tags) (err error) {
	if s.bodyHash, err = decode64(l.value("bh", "")); err != nil || len(s.bodyHash) != sha256.Size {
		return errBodyHash
	}
	if s.value, err = decode64(l.value("b", "")); err != nil {
		return errSignature
	}
	return nil
}

// times reads t= and x=, seconds since 1970.
func times(l tags, now time.Time) error {
	made, err := seconds(l, "t", 0)
	if err != nil {
		return err
	}
	expires, err := seconds(l, "x", 1<<62)
	switch {
	case err != nil:
		return err
	case made > now.Add(maxSkew).Unix():
		return ErrFuture
	case expires <= now.Unix():
		return errExpired
	case expires <= made:
		return errTime
	}
	return nil
}

func seconds(l tags, name string, standard int64) (int64, error) {
	if !l.has(name) {
		return standard, nil
	}
	n, err := strconv.ParseUint(l.value(name, ""), 10, 40) // 12 digits, all of them dates
	if err != nil {
		return 0, errTime
	}
	return int64(n), nil
}

// name is that of the key's record (section 3.6.2.1).
func (s *signature) name() string { return s.selector + "._domainkey." + s.domain }

// hostname says whether a name consists of labels as DNS names in use have them.
func hostname(s string) bool {
	for label := range strings.SplitSeq(s, ".") {
		if label == "" || len(label) > 63 {
			return false
		}
		for i := range len(label) {
			if c := label[i]; !letter(c) && !digit(c) && c != '-' && c != '_' {
				return false
			}
		}
	}
	return true
}

func contains(list []string, item string) bool {
	for _, s := range list {
		if s == item {
			return true
		}
	}
	return false
}
