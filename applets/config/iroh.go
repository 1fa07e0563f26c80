package config

import (
	"net/url"
	"strings"

	"chatmaild/auth/mailaddr"
)

// minIrohBandwidth is as much as iroh puts into one packet, in bytes a second.
const minIrohBandwidth = 64 << 10

// maxIrohClients fits into the files that the daemon may have open.
const maxIrohClients = 15000

// IROH is what follows from the keys of the iroh relay.
type IROH struct{ conf *Config }

// Iroh is what follows from those of c.
func Iroh(c *Config) IROH { return IROH{c} }

// Own reports whether the relay has an iroh relay of its own. Clients connect to none
// whose certificate is self-signed, and a hidden relay shows none.
func (i IROH) Own() bool {
	_, _, external := i.conf.ExternalTLS()
	verified := i.conf.ACME() || external && !i.conf.SelfSigned()
	return i.conf.Iroh == "on" && !i.conf.Hidden && verified && (i.conf.IrohRelay == "" || i.namesUs())
}

// URL is what is announced to clients; "" is nothing.
func (i IROH) URL() string {
	switch {
	case i.Own():
		return "https://" + mailaddr.InURL(Host(i.conf))
	case i.conf.Iroh == "on":
		return i.conf.IrohRelay
	}
	return ""
}

// namesUs reports whether iroh_relay leads to this relay, as it may since it had none:
// by one of the names that its nginx and its certificate have.
func (i IROH) namesUs() bool { return LeadsTo(i.conf.IrohRelay, Host(i.conf)) }

// LeadsTo reports whether a URL leads to the relay of a domain: to one of the names that
// its nginx and its certificate have.
func LeadsTo(address, domain string) bool {
	u, err := url.Parse(address)
	if err != nil {
		return false
	}
	host := strings.TrimSuffix(strings.ToLower(u.Hostname()), ".")
	return host == domain || host == "www."+domain || host == "mta-sts."+domain
}
