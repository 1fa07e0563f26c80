// Package zone says which DNS records a relay wants, and what is wrong with those
// that are found. It is pure: package authoritative asks the servers.
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
	Required bool           // without it the relay does not work
	Why      string         // what it is for
	Also     []string       // other values that will do: a machine can have several addresses
	Not      []string       // the machine's addresses that a record must not have: they change
	Absent   bool           // there must be no such record
	Senders  []netip.Prefix // that an SPF record must permit, as far as they are known
}

// Relay is what the records depend on.
type Relay struct {
	Domain       string       // what stands behind the @
	Host         string       // what others connect to
	IPv4, IPv6   []netip.Addr // this machine's public addresses; none if unknown
	NoIPv6       bool         // it does not listen there, whatever addresses it has
	Temporary    []netip.Addr // addresses that the system replaces daily (RFC 8981)
	Senders      []netip.Addr // that its mail comes from, if not from these
	DKIMSelector string
	DKIMRecord   string // text of the TXT record
	AccountURI   string // of the ACME account that alone may get certificates; may be ""
	Issuer       string // domain of the certificate authority, for CAA; may be ""
	PolicyID     string // of the MTA-STS policy: changes when the policy does
}

// Records returns all the records that the relay wants, the most important first.
func (r Relay) Records() []Wanted {
	domain, host := r.Domain+".", r.Host+"."
	other := required("www."+domain, CNAME, host, "the other name of the web page")
	if host != domain {
		other = required("autoconfig."+domain, CNAME, host, "where apps find the servers of the domain")
	}
	records := append(r.addresses(),
		required(domain, MX, "10 "+host, "mail for the relay is delivered here"),
		required(r.DKIMSelector+"._domainkey."+domain, TXT, r.DKIMRecord,
			"the key for DKIM signatures; without it other relays refuse the relay's mail"),
		required("mta-sts."+domain, CNAME, host, "where the MTA-STS policy is"),
		other,
		recommended("_mta-sts."+domain, TXT, "v=STSv1; id="+r.PolicyID, "other servers must use TLS to the relay"),
		r.spf(),
		recommended("_dmarc."+domain, TXT, "v=DMARC1;p=reject;adkim=s;aspf=s", "unsigned mail in the relay's name must be refused"),
		recommended("_adsp._domainkey."+domain, TXT, "dkim=discardable", "the same, for old servers"),
		recommended("_submissions._tcp."+domain, SRV, "0 1 465 "+host, "for apps that ask where to send"),
		recommended("_submission._tcp."+domain, SRV, "0 1 587 "+host, "the same, with STARTTLS"),
		recommended("_imaps._tcp."+domain, SRV, "0 1 993 "+host, "for apps that ask where to fetch"),
		recommended("_imap._tcp."+domain, SRV, "0 1 143 "+host, "the same, with STARTTLS"),
	)
	if r.Issuer != "" {
		value := r.Issuer
		if r.AccountURI != "" {
			value += ";accounturi=" + r.AccountURI
		}
		records = append(records, recommended(host, CAA, fmt.Sprintf("0 issue %q", value),
			"only this authority may issue certificates for the relay"))
	}
	return records
}

func required(name string, t Type, value, why string) Wanted {
	return Wanted{Record: Record{name, t, value}, Required: true, Why: why}
}

func recommended(name string, t Type, value, why string) Wanted {
	return Wanted{Record: Record{name, t, value}, Why: why}
}

// spf wants a record that permits the machine's own addresses. As long as nobody has
// asked which of them the domain has, that is not taken to be any one of several.
func (r Relay) spf() Wanted {
	senders, others := r.Senders, r.Senders
	if senders == nil {
		senders = slices.Concat(r.IPv4, r.IPv6)
		for _, family := range [][]netip.Addr{r.IPv4, r.IPv6} {
			if len(family) > 1 {
				others = append(others, family...)
			}
		}
	}
	temporary := networks(r.Temporary)
	w := recommended(r.Domain+".", TXT, spfRecord(r.spfTerm(), merge(single(others), temporary)), "only this machine sends the relay's mail")
	w.Senders = merge(single(senders), temporary)
	return w
}

// spfTerm is the term of an SPF record for the relay's host.
func (r Relay) spfTerm() string {
	if r.Host == r.Domain {
		return "a"
	}
	return "a:" + r.Host
}

// Line returns the record as a line of a zone file. A text of more than 255
// bytes is in several strings (RFC 1035 §3.3.14). What only the operator knows, such as
// the address of a machine behind a router, is a comment to fill in.
func (r Record) Line() string {
	value := r.Value
	if value == "" {
		return fmt.Sprintf("; %s 3600 IN %s (the relay's public address)", r.Name, r.Type)
	}
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
