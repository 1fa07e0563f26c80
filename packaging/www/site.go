package www

import (
	"net/url"
	"strings"

	"chatmaild/auth/mailaddr"
)

// Registration is who may have a profile.
type Registration string

// The kinds of registration, as in the configuration.
const (
	Open   Registration = "open"   // everybody
	Invite Registration = "invite" // those with an invite link
	Closed Registration = "closed" // nobody
)

// Site is what the pages say about a relay. Sizes are bytes, times are days.
type Site struct {
	MailDomain   string // a name, or an IP address without brackets
	Host         string // what apps and other relays connect to; often the same
	ExtraPorts   []int  // that serve all that port 443 does
	Hidden       bool   // no page of ours, and no word of what this is
	SelfSigned   bool   // profiles come by dclogin:, since apps do not trust the certificate
	Registration Registration
	EchoInvite   string // the echo bot's invite link; "": not known, or no bot
	Version      string // of chatmaild

	MaxUserSendPerMinute     int
	MaxMailboxSize           int64
	MaxMessageSize           int64
	DeleteMailsAfter         int
	DeleteLargeAfter         int
	DeleteInactiveUsersAfter int
	UsernameMinLength        int
	UsernameMaxLength        int
	PasswordMinLength        int

	PrivacyPostal     string // may have several lines
	PrivacyMail       string
	PrivacyPDO        string
	PrivacySupervisor string
}

// NewURL is where apps ask for a profile, and the address of an invite: a browser that
// opens it is sent on to the app, or, on a self-signed relay, shown a button. token is the invite's, or "".
func NewURL(host, token string) string {
	u := "https://" + mailaddr.InURL(host) + "/new"
	if token != "" {
		u += "?t=" + url.QueryEscape(token)
	}
	return u
}

// AccountLink returns the link that makes an app ask NewURL. Capitals are the scheme's
// form in QR codes; the app wants https in lower case
// (https://github.com/deltachat/interface/blob/main/uri-schemes.md#dcaccount-).
func AccountLink(host, token string) string {
	return "DCACCOUNT:" + NewURL(host, token)
}

// AddressDomain is what stands behind the @: the domain, or a literal.
func (s Site) AddressDomain() string { return mailaddr.Domain(s.MailDomain) }

// PrivacyMissing lists the privacy_* keys that are empty and should not be.
// privacy_pdo may be: not everybody needs a data protection officer.
func (s Site) PrivacyMissing() []string {
	var missing []string
	for _, k := range []struct{ key, value string }{
		{"privacy_postal", s.PrivacyPostal},
		{"privacy_mail", s.PrivacyMail},
		{"privacy_supervisor", s.PrivacySupervisor},
	} {
		if strings.TrimSpace(k.value) == "" {
			missing = append(missing, k.key)
		}
	}
	return missing
}

// ContentSecurityPolicy is the header that the pages are made for (CSP Level 3): no
// script, nothing inline, nothing from elsewhere. The one form is the button of an invite
// (applets/web).
const ContentSecurityPolicy = "default-src 'none'; img-src 'self'; style-src 'self'; " +
	"base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
