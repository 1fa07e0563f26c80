package initialize

import (
	"context"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"

	"chatmaild/applets/admin/host"
	"chatmaild/applets/config"
	"chatmaild/applets/turn/relay"
)

// lookUpTimeout bounds all questions to the DNS together: without one, init does without.
const lookUpTimeout = 5 * time.Second

// A finding is a key that has to be set for this machine and domain, and how that shows.
type finding struct {
	key, value string // as in the file
	why        string
}

// A place is what init can see of where the relay will be.
type place struct {
	addresses []netip.Addr // of this machine's interfaces
	noIPv6    bool         // the kernel has none
	// values looks up records, as authoritative.Resolver does.
	values func(ctx context.Context, name, kind string) ([]string, error)
}

// here is where this program runs. If it cannot tell the addresses, they show nothing.
func here(values func(ctx context.Context, name, kind string) ([]string, error)) place {
	addrs, _ := host.Addresses()
	return place{addrs, host.NoIPv6(), values}
}

// findings are what the place asks for, given a configuration with the domain alone. There
// is none where two readings are possible, or where the DNS does not answer in time.
func (p place) findings(ctx context.Context, conf *config.Config) (found []finding) {
	ctx, cancel := context.WithTimeout(ctx, lookUpTimeout)
	defer cancel()
	if p.noIPv6 {
		found = append(found, finding{"disable_ipv6", "true", "the kernel of this machine has no IPv6"})
	}
	name, leads, why := p.host(ctx, conf)
	if name != conf.MailDomain {
		found = append(found, finding{"hostname", fmt.Sprintf("%q", name), why})
	}
	if external := p.external(leads); external != nil && config.Turn(conf).Own() {
		found = append(found, finding{
			"turn_external_address", `["` + strings.Join(external, `", "`) + `"]`,
			fmt.Sprintf("%s leads there, and of that protocol this machine has private addresses alone, behind a router", name),
		})
	}
	return found
}

// host is the name of the relay's host, and where it leads, as far as the DNS shows that: the
// domain, or what its MX record names, if that is this machine and the domain is not. Then why
// says how that shows.
func (p place) host(ctx context.Context, conf *config.Config) (name string, leads []netip.Addr, why string) {
	domain := conf.MailDomain
	if literal, ok := conf.Literal(); ok {
		return domain, []netip.Addr{literal}, ""
	}
	own, err := p.lookUp(ctx, domain)
	if err != nil || conf.SelfSigned() {
		return domain, own, ""
	}
	records, err := p.values(ctx, domain+".", "MX")
	if err != nil || len(records) != 1 {
		return domain, nil, ""
	}
	_, target, _ := strings.Cut(records[0], " ")
	name = strings.ToLower(strings.TrimSuffix(target, "."))
	if name == domain {
		return domain, own, ""
	}
	if p.ours(own).IsValid() || config.CheckDomain(name) != nil || config.SelfSigned(name) {
		return domain, nil, ""
	}
	if leads, err = p.lookUp(ctx, name); err != nil {
		return domain, nil, ""
	}
	if address := p.ours(leads); address.IsValid() {
		return name, leads, fmt.Sprintf("the MX record of %s names that host, which is this machine (%v); %s itself is not", domain, address, domain)
	}
	// Behind a router no interface shows that an address is ours. It is not a mail provider's,
	// at least, if its name is below the domain, nor the web site's.
	outside := p.external(leads)
	web := slices.ContainsFunc(leads, func(a netip.Addr) bool { return slices.Contains(own, a) })
	if outside == nil || web || !strings.HasSuffix(name, "."+domain) {
		return domain, nil, ""
	}
	return name, leads, fmt.Sprintf("the MX record of %s names that host, whose address (%s) is not that of %s, and can be a router's in front of this machine", domain, outside[0], domain)
}

// external are the public addresses, of those that the relay's name leads to, by which a
// router lets the outside reach this machine: one of each protocol that has none of its own.
func (p place) external(leads []netip.Addr) (texts []string) {
	for _, is := range []func(netip.Addr) bool{netip.Addr.Is4, netip.Addr.Is6} {
		own, outside := only(p.addresses, is), only(only(leads, is), relay.Public)
		behind := slices.ContainsFunc(own, netip.Addr.IsGlobalUnicast) && !slices.ContainsFunc(own, relay.Public)
		if behind && len(outside) == 1 {
			texts = append(texts, outside[0].String())
		}
	}
	return texts
}

// lookUp returns the addresses of a name.
func (p place) lookUp(ctx context.Context, name string) (addrs []netip.Addr, err error) {
	for _, kind := range []string{"A", "AAAA"} {
		values, err := p.values(ctx, name+".", kind)
		if err != nil {
			return nil, err
		}
		for _, value := range values {
			if addr, err := netip.ParseAddr(value); err == nil {
				addrs = append(addrs, addr.Unmap())
			}
		}
	}
	return addrs, nil
}

// ours is the first of addresses by which others reach an interface of this machine.
func (p place) ours(addrs []netip.Addr) netip.Addr {
	mine := func(a netip.Addr) bool { return a.IsGlobalUnicast() && slices.Contains(p.addresses, a) }
	if i := slices.IndexFunc(addrs, mine); i >= 0 {
		return addrs[i]
	}
	return netip.Addr{}
}

// only are the addresses of a kind.
func only(addrs []netip.Addr, is func(netip.Addr) bool) (some []netip.Addr) {
	for _, a := range addrs {
		if is(a) {
			some = append(some, a)
		}
	}
	return some
}

// set puts findings into a configuration, in place of the defaults that it shows.
func set(text string, found []finding) string {
	var b strings.Builder
	for line := range strings.Lines(text) {
		for _, f := range found {
			if strings.HasPrefix(line, "#"+f.key+" = ") {
				line = f.key + " = " + f.value + "\n"
			}
		}
		b.WriteString(line)
	}
	return b.String()
}
