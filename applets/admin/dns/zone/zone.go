// Package zone says which DNS records a relay wants, and what is wrong with those
// that are found. It is pure: package resolver asks the servers.
package zone

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
)

// Type is a type of DNS record.
type Type string

// The types that a relay has records of.
const (
	A     Type = "A"
	AAAA  Type = "AAAA"
	MX    Type = "MX"
	CNAME Type = "CNAME"
	TXT   Type = "TXT"
	CAA   Type = "CAA"
	SRV   Type = "SRV"
)

// Record is a record as a zone file has it (RFC 1035 §5), with one space between
// the fields of its value and names in full, with a dot at their end. The value
// of a TXT record is its text, without quotes and in one piece.
type Record struct {
	Name  string
	Type  Type
	Value string
}

// Wanted is a record that a relay wants.
type Wanted struct {
	Record
	Required bool   // without it the relay does not work
	Why      string // what it is for
}

// Relay is what the records depend on.
type Relay struct {
	Domain       string
	IPv4, IPv6   netip.Addr   // this machine's public addresses; invalid if unknown or unwanted
	Senders      []netip.Addr // that its mail comes from, if not from these
	DKIMSelector string
	DKIMRecord   string // text of the TXT record
	AccountURI   string // of the ACME account that alone may get certificates; may be ""
	Issuer       string // domain of the certificate authority, for CAA; may be ""
	PolicyID     string // of the MTA-STS policy: changes when the policy does
}

// Records returns all the records that the relay wants, the most important first.
func (r Relay) Records() []Wanted {
	domain := r.Domain + "."
	records := []Wanted{
		{Record{domain, A, address(r.IPv4)}, true, "the relay's IPv4 address"},
		{Record{domain, MX, "10 " + domain}, true, "mail for the relay comes here"},
		{
			Record{r.DKIMSelector + "._domainkey." + domain, TXT, r.DKIMRecord}, true,
			"the key for DKIM signatures; without it other relays refuse the relay's mail",
		},
		{Record{"mta-sts." + domain, CNAME, domain}, true, "where the MTA-STS policy is"},
		{Record{"www." + domain, CNAME, domain}, true, "the other name of the web page"},
		{Record{"_mta-sts." + domain, TXT, "v=STSv1; id=" + r.PolicyID}, false, "other servers must use TLS to the relay"},
		{Record{domain, TXT, r.spf()}, false, "only this machine sends the relay's mail"},
		{Record{"_dmarc." + domain, TXT, "v=DMARC1;p=reject;adkim=s;aspf=s"}, false, "unsigned mail in the relay's name must be refused"},
		{Record{"_adsp._domainkey." + domain, TXT, "dkim=discardable"}, false, "the same, for old servers"},
		{Record{"_submissions._tcp." + domain, SRV, "0 1 465 " + domain}, false, "for apps that ask where to send"},
		{Record{"_submission._tcp." + domain, SRV, "0 1 587 " + domain}, false, "the same, with STARTTLS"},
		{Record{"_imaps._tcp." + domain, SRV, "0 1 993 " + domain}, false, "for apps that ask where to fetch"},
		{Record{"_imap._tcp." + domain, SRV, "0 1 143 " + domain}, false, "the same, with STARTTLS"},
	}
	if r.IPv6.IsValid() {
		records = slices.Insert(records, 1, Wanted{Record{domain, AAAA, address(r.IPv6)}, false, "the relay's IPv6 address"})
	}
	if r.Issuer != "" {
		value := r.Issuer
		if r.AccountURI != "" {
			value += ";accounturi=" + r.AccountURI
		}
		records = append(records, Wanted{
			Record{domain, CAA, fmt.Sprintf("0 issue %q", value)}, false, "only this authority may issue certificates for the relay",
		})
	}
	return records
}

// spf says where the relay's mail comes from (RFC 7208 §5).
func (r Relay) spf() string {
	terms := "v=spf1 a"
	for _, s := range r.Senders {
		family := "ip6"
		if s.Unmap().Is4() {
			family = "ip4"
		}
		terms += " " + family + ":" + address(s)
	}
	return terms + " ~all"
}

// address is the value of an address record; "" if the address is not known, so
// that any will do.
func address(a netip.Addr) string {
	if !a.IsValid() {
		return ""
	}
	return a.Unmap().String()
}

// Line returns the record as a line of a zone file. A text of more than 255
// bytes is in several strings (RFC 1035 §3.3.14).
func (r Record) Line() string {
	value := r.Value
	if r.Type == TXT {
		value = quote(value)
	}
	return fmt.Sprintf("%s 3600 IN %s %s", r.Name, r.Type, value)
}

// maxString is the length of a string in a TXT record, in bytes.
const maxString = 255

func quote(text string) string {
	var parts []string
	for chunk := range slices.Chunk([]byte(text), maxString) {
		s := strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(string(chunk))
		parts = append(parts, `"`+s+`"`)
	}
	return strings.Join(parts, " ")
}
