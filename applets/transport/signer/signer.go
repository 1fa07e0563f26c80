// Package signer signs what leaves the relay with DKIM (RFC 6376): rsa-sha256,
// relaxed/simple, with the key, the selector and the list of fields that OpenDKIM had.
// go-msgauth does it.
package signer

import (
	"bufio"
	"crypto"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/emersion/go-msgauth/dkim"
)

// signed are the fields that are signed, each as often as it is there: those that RFC 6376,
// section 5.4.1, recommends, and what clients read before they decrypt.
var signed = strings.Fields(`from reply-to subject date to cc resent-date resent-from resent-sender resent-to resent-cc
	in-reply-to references list-id list-help list-unsubscribe list-subscribe list-post list-owner list-archive
	autocrypt content-type`)

// oversigned are signed once more than they are there, so that none can be added again after
// signing (RFC 6376, section 8.15).
var oversigned = slices.DeleteFunc(slices.Clone(signed), func(name string) bool { return name == "content-type" })

// maxHeader bounds the header in bytes that is looked at; the filters accept less.
const maxHeader = 256 << 10

var errHeader = errors.New("the header of a message to sign is too long")

// Signer signs for a domain.
type Signer struct {
	Domain, Selector string
	Key              crypto.Signer
}

// Sign returns the field that belongs in front of the message that open opens, or "" if
// there is a signature of the domain already.
func (s *Signer) Sign(open func() io.Reader) (field string, err error) {
	names, ours, err := s.fields(open())
	if err != nil || ours {
		return "", err
	}
	var keys []string
	for _, name := range names {
		if slices.Contains(signed, name) {
			keys = append(keys, name)
		}
	}
	signing, err := dkim.NewSigner(&dkim.SignOptions{
		Domain: s.Domain, Selector: s.Selector, Signer: s.Key,
		HeaderCanonicalization: dkim.CanonicalizationRelaxed, BodyCanonicalization: dkim.CanonicalizationSimple,
		HeaderKeys: append(keys, oversigned...),
	})
	if err != nil {
		return "", fmt.Errorf("signing: %w", err)
	}
	if _, err := io.Copy(signing, open()); err != nil {
		signing.Close()
		return "", fmt.Errorf("signing: %w", err)
	}
	if err := signing.Close(); err != nil {
		return "", fmt.Errorf("signing: %w", err)
	}
	return signing.Signature(), nil
}

// fields returns the names of the fields of a header in lower case, and whether one of them
// is a signature of ours.
func (s *Signer) fields(r io.Reader) (names []string, ours bool, err error) {
	lines := bufio.NewScanner(r)
	lines.Buffer(nil, maxHeader)
	size := 0
	for lines.Scan() && lines.Text() != "" {
		line := lines.Text()
		if size += len(line); size > maxHeader {
			return nil, false, errHeader
		}
		value := line
		if line[0] != ' ' && line[0] != '\t' {
			var name string
			name, value, _ = strings.Cut(line, ":")
			names = append(names, strings.ToLower(strings.TrimRight(name, " \t")))
		}
		if len(names) > 0 && names[len(names)-1] == "dkim-signature" {
			for tag := range strings.SplitSeq(value, ";") {
				ours = ours || strings.EqualFold(strings.TrimSpace(tag), "d="+s.Domain)
			}
		}
	}
	if err := lines.Err(); err != nil {
		return nil, false, fmt.Errorf("reading the header of a message to sign: %w", err)
	}
	return names, ours, nil
}
