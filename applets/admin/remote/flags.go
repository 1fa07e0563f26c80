package remote

import (
	"context"
	"crypto/x509"
	"flag"
	"fmt"
	"net"
	"os"
	"strings"

	"chatmaild/applets/command"
	"chatmaild/applets/config"
)

// Flags declares the flags of commands that look at a relay from outside,
// and returns what makes a network of them once they are parsed.
func Flags(fs *flag.FlagSet) func() (Network, error) {
	resolver := ResolverFlag(fs)
	roots := fs.String("ca", "", "trust only the certificate authorities in `FILE` (PEM)")
	insecure := fs.Bool("insecure", false, "accept every certificate")
	return func() (Network, error) {
		n := Network{Insecure: *insecure}
		var err error
		if n.Resolver, n.NameServerPort, err = resolver(); err != nil {
			return n, err
		}
		if *roots != "" {
			text, err := os.ReadFile(*roots)
			if err != nil {
				return n, fmt.Errorf("reading the authorities: %w", err)
			}
			n.Roots = x509.NewCertPool()
			if !n.Roots.AppendCertsFromPEM(text) {
				return n, fmt.Errorf("reading the authorities: there is no certificate in %s", *roots)
			}
		}
		return n, nil
	}
}

// ResolverFlag declares the flag by which a command asks another DNS server than the
// machine's own, and returns what makes a resolver of it once it is parsed; without the flag
// that is nil. The domain's own name servers are asked at the same port.
func ResolverFlag(fs *flag.FlagSet) func() (resolver *net.Resolver, port string, err error) {
	server := fs.String("resolver", "", "use the DNS server at `ADDRESS` instead of this machine's own")
	return func() (*net.Resolver, string, error) {
		if *server == "" {
			return nil, "", nil
		}
		address, port, err := net.SplitHostPort(*server)
		if err != nil {
			address, port = strings.Trim(*server, "[]"), "53"
		}
		if net.ParseIP(address) == nil {
			return nil, "", command.Usagef("--resolver %q is not an IP address", *server)
		}
		return resolverAt(net.JoinHostPort(address, port)), port, nil
	}
}

// resolverAt asks one server, whatever the machine's configuration says.
func resolverAt(server string) *net.Resolver {
	return &net.Resolver{
		PreferGo: true,
		Dial: func(ctx context.Context, network, _ string) (net.Conn, error) {
			var d net.Dialer
			return d.DialContext(ctx, network, server)
		},
	}
}

// Relays makes relays of the domains that an operator typed.
func Relays(ctx context.Context, domains []string, network func() (Network, error)) ([]*Relay, error) {
	n, err := network()
	if err != nil {
		return nil, err
	}
	var relays []*Relay
	for _, domain := range domains {
		domain = config.Domain(domain)
		if err := config.CheckDomain(domain); err != nil {
			return nil, command.Usagef("%v", err)
		}
		relays = append(relays, &Relay{Domain: domain, Host: n.host(ctx, domain), Network: n})
	}
	return relays, nil
}
