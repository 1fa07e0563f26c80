package chat

import (
	"crypto/rand"
	"encoding/base64"
	"errors"
	"net/url"
	"strings"
)

const (
	inviteURL  = "https://i.delta.chat/#"
	inviteCode = "OPENPGP4FPR:" // the older form, in QR codes

	maxInvite     = 4096 // bytes of a link
	maxInviteName = 25   // characters of a name in a link, as in the client
)

// An Invite is what an invite link or its QR code says: who invites, and what
// proves to the inviter that one has the link.
type Invite struct {
	Fingerprint string   // of the inviter's key
	Addrs       []string // of the inviter; the first is the one to write to
	Name        string   // of the inviter; may be empty
	Number      string   // lets one ask for the key, in the older protocol
	Auth        string   // is the secret that both know
	V3          bool     // the inviter knows version 3 of the protocol

	// GroupID and GroupName are set if the invite is to a group.
	GroupID, GroupName string
}

// ValidFingerprint tells whether the text is a fingerprint in capital hexadecimal
// digits: that of a key of version 4, or of version 6.
func ValidFingerprint(text string) bool {
	return (len(text) == 40 || len(text) == 64) && strings.Trim(text, "0123456789ABCDEF") == ""
}

// validToken tells whether the text has the form of what identifies an invite or
// a group.
func validToken(text string) bool {
	return 11 <= len(text) && len(text) <= 64 &&
		strings.Trim(text, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_") == ""
}

var errInvite = errors.New("this is not an invite link: want https://i.delta.chat/#… or OPENPGP4FPR:…")

// ParseInvite reads an invite link, or the text of its QR code.
func ParseInvite(text string) (*Invite, error) {
	if len(text) > maxInvite {
		return nil, errInvite
	}
	rest, ok := strings.CutPrefix(text, inviteURL)
	fingerprint, fragment, _ := strings.Cut(rest, "&")
	if !ok {
		if len(text) < len(inviteCode) || !strings.EqualFold(text[:len(inviteCode)], inviteCode) {
			return nil, errInvite
		}
		fingerprint, fragment, _ = strings.Cut(text[len(inviteCode):], "#")
	}
	params, err := url.ParseQuery(fragment)
	if err != nil {
		return nil, errInvite
	}
	i := &Invite{
		Fingerprint: strings.ToUpper(fingerprint),
		Name:        params.Get("n"), Number: params.Get("i"), Auth: params.Get("s"),
		V3:      params.Get("v") == "3",
		GroupID: params.Get("x"), GroupName: params.Get("g"),
	}
	if i.Number == "" {
		i.V3 = true // it is the older protocol alone that needs one
	}
	addrs := params.Get("a")
	if more := params.Get("r"); more != "" {
		addrs += "," + more
	}
	for addr := range strings.SplitSeq(addrs, ",") {
		if !ValidAddress(addr) || len(i.Addrs) == maxRelays {
			return nil, errInvite
		}
		i.Addrs = append(i.Addrs, addr)
	}
	if !ValidFingerprint(i.Fingerprint) || !validToken(i.Auth) ||
		i.Number != "" && !validToken(i.Number) ||
		i.GroupID != "" && !validToken(i.GroupID) || params.Has("b") {
		return nil, errInvite
	}
	return i, nil
}

// Link returns the invite as a link that opens the client. A QR code of it is
// what one scans.
func (i *Invite) Link() string {
	var b strings.Builder
	b.WriteString(inviteURL + i.Fingerprint)
	add := func(name, value string) {
		if value != "" {
			b.WriteString("&" + name + "=" + url.QueryEscape(value))
		}
	}
	if i.V3 {
		add("v", "3")
	}
	add("x", i.GroupID)
	add("i", i.Number)
	add("s", i.Auth)
	for n, addr := range i.Addrs {
		switch n {
		case 0:
			add("a", addr)
		case 1:
			b.WriteString("&r=" + url.QueryEscape(addr))
		default:
			b.WriteString("," + url.QueryEscape(addr))
		}
	}
	add("n", shorten(i.Name))
	add("g", shorten(i.GroupName))
	return b.String()
}

// shorten keeps a link short. It ends in no dot, which programs would not take
// for a part of the link.
func shorten(name string) string {
	if r := []rune(name); len(r) > maxInviteName {
		return string(r[:maxInviteName-1]) + "_"
	}
	return name
}

// secret is what both sides encrypt the first messages of version 3 with.
func (i *Invite) secret() string { return "securejoin/" + i.Fingerprint + "/" + i.Auth }

// NewToken returns a random token for an invite, 144 bits.
func NewToken() string {
	var b [18]byte
	rand.Read(b[:]) // never fails (crypto/rand)
	return base64.RawURLEncoding.EncodeToString(b[:])
}
