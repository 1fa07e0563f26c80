package config

import (
	"net/netip"
	"strings"
)

// SelfSigned reports whether clients and other relays take a certificate that the relay
// makes itself, and it needs no DNS. At a public address it may get a better one: see ACME.
func (c *Config) SelfSigned() bool { return SelfSigned(c.MailDomain) }

// SelfSigned reports whether a relay makes its own certificate, by the rule that all
// chatmail clients and relays know: it has an address in place of a name, or its
// name starts with "_".
func SelfSigned(domain string) bool {
	_, err := netip.ParseAddr(domain)
	return err == nil || strings.HasPrefix(domain, "_")
}

// ExternalTLS returns the paths of certificate and key that someone else keeps.
func (c *Config) ExternalTLS() (cert, key string, ok bool) {
	paths := strings.Fields(c.TLSExternalCertAndKey)
	if len(paths) != 2 {
		return "", "", false
	}
	return paths[0], paths[1], true
}

// ACMEPort is the port of the acme daemon on 127.0.0.1, where nginx sends what
// asks for challenges on port 80. acmetool has the same.
const ACMEPort = 402

// ACME reports whether the relay gets its certificate from an authority. One for an
// address (RFC 8738) is asked for where the internet reaches that address, and of an
// authority that the configuration names.
func (c *Config) ACME() bool {
	_, _, external := c.ExternalTLS()
	if external || strings.HasPrefix(c.MailDomain, "_") {
		return false
	}
	addr, literal := c.Literal()
	return !literal || c.ACMEDirectory != "" || public(addr)
}

// shared are the addresses that carriers give to many (RFC 6598).
var shared = netip.MustParsePrefix("100.64.0.0/10")

func public(addr netip.Addr) bool {
	return addr.IsGlobalUnicast() && !addr.IsPrivate() && !shared.Contains(addr)
}

// CertificateNames are the names that a certificate from an authority is for: that of the
// relay's host first, those of the web page and of the MTA-STS policy. Where the web page
// of mail_domain is not the relay's, apps find its servers by the name autoconfig
// (draft-ietf-mailmaint-autoconfig §4.1). An address has no other names.
func (c *Config) CertificateNames() []string {
	if _, literal := c.Literal(); literal {
		return []string{c.MailDomain}
	}
	if Guest(c) {
		return []string{Host(c), "autoconfig." + c.MailDomain, "mta-sts." + c.MailDomain}
	}
	return []string{c.MailDomain, "www." + c.MailDomain, "mta-sts." + c.MailDomain}
}
