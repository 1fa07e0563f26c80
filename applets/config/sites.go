package config

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
)

// maxOtherSites keeps nginx's tables small.
const maxOtherSites = 100

// Site is a web site of another server, whose name leads to this machine, too: nginx hands
// its connections on.
type Site struct {
	Name  string
	HTTPS string // host:port, to which TLS goes unopened
	HTTP  string // host:port for what comes to port 80; "": clients are sent on to HTTPS

	// ProxyProtocol has the clients' addresses precede TLS, for a server that expects it.
	ProxyProtocol bool
}

// proxyProtocolWord is the last one of a site that wants it.
const proxyProtocolWord = "proxy-protocol"

// Sites are those that other_sites names.
func Sites(c *Config) []Site {
	var sites []Site
	for _, text := range c.OtherSites {
		if site, err := parseSite(text); err == nil {
			sites = append(sites, site)
		}
	}
	return sites
}

// parseSite reads "NAME HTTPS [HTTP] [proxy-protocol]".
func parseSite(text string) (Site, error) {
	words := strings.Fields(text)
	site := Site{}
	if n := len(words); n > 0 && words[n-1] == proxyProtocolWord {
		site.ProxyProtocol, words = true, words[:n-1]
	}
	if len(words) < 2 || len(words) > 3 {
		return Site{}, fmt.Errorf("%q: want a name, where its HTTPS goes, and where its HTTP goes, such as "+
			`"www.example.org 127.0.0.1:9443 127.0.0.1:9080"`, text)
	}
	site.Name, site.HTTPS = words[0], words[1]
	if len(words) == 3 {
		site.HTTP = words[2]
	}
	return site, nil
}

// checkSites refuses names that are the relay's, and servers that nginx would have to look
// up, or that are the relay itself: it would connect to itself without end.
func checkSites(c *Config) error {
	if len(c.OtherSites) > maxOtherSites {
		return fmt.Errorf("%d sites: want %d at most", len(c.OtherSites), maxOtherSites)
	}
	taken := append([]string{Host(c)}, c.CertificateNames()...)
	for _, text := range c.OtherSites {
		site, err := parseSite(text)
		if err != nil {
			return err
		}
		if err := CheckDomain(site.Name); err != nil || SelfSigned(site.Name) {
			return fmt.Errorf("%q: want the name of a web site, such as www.example.org, in lower case", site.Name)
		}
		if slices.Contains(taken, site.Name) {
			return fmt.Errorf("%q is a name of the relay, or given twice: want another one", site.Name)
		}
		taken = append(taken, site.Name)
		for _, server := range []string{site.HTTPS, site.HTTP} {
			if err := optional(server, func(s string) error { return checkSiteServer(c, s) }); err != nil {
				return err
			}
		}
	}
	return nil
}

func checkSiteServer(c *Config, server string) error {
	at, err := netip.ParseAddrPort(server)
	addr := at.Addr()
	if err != nil || at.Port() == 0 || addr.Zone() != "" || addr.Is4In6() || addr.IsUnspecified() || addr.IsMulticast() {
		return fmt.Errorf("%q: want the address and the port of a web server, such as 127.0.0.1:9443 or [2001:db8::7]:443", server)
	}
	if addr.IsLoopback() && slices.Contains(takenPorts(c), int(at.Port())) {
		return fmt.Errorf("%q is a port of the relay: want that of another server", server)
	}
	return nil
}
