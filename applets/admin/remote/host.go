package remote

import (
	"context"
	"strings"

	"chatmaild/applets/config"
)

// host is what a domain's clients and other relays connect to. That is the domain, unless
// its records name another host for both alike: for mail (MX) and for IMAP (RFC 6186).
func (n *Network) host(ctx context.Context, domain string) string {
	if config.SelfSigned(domain) {
		return domain
	}
	ctx, cancel := context.WithTimeout(ctx, connectTimeout)
	defer cancel()
	_, services, err := n.Records().LookupSRV(ctx, "imaps", "tcp", domain)
	if err != nil || len(services) != 1 {
		return domain
	}
	exchangers, err := n.Records().LookupMX(ctx, domain)
	if err != nil || len(exchangers) != 1 || !strings.EqualFold(exchangers[0].Host, services[0].Target) {
		return domain
	}
	return strings.ToLower(strings.TrimSuffix(services[0].Target, "."))
}
