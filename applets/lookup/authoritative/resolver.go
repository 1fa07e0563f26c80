// Package authoritative asks a domain's own name servers, not a cache, for records: an
// operator who has just set one sees it at once.
package authoritative

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"time"
)

// Bounds of a look-up.
const (
	maxServers = 6 // addresses that are asked, one after the other
	maxNames   = 8 // of name servers whose addresses are looked up
	maxAliases = 8 // a chain of CNAMEs
)

// ErrNoServers says that nobody is responsible for a name.
var ErrNoServers = errors.New("the domain has no name servers")

// Resolver looks records up.
type Resolver struct {
	// System finds name servers and their addresses; nil means the machine's own.
	System *net.Resolver
	// Port is where name servers listen; "" means 53.
	Port string

	servers map[string][]string // zone → addresses
}

// Values returns the values of the records of a name and type, as the name's
// authoritative servers have them: as in a zone file (RFC 1035 §5), with one space
// between the fields, and the text of a TXT record in one piece, without quotes. A name
// without any has none, which is not an error. Aliases are followed, to other zones too,
// unless they are what is asked for.
func (r *Resolver) Values(ctx context.Context, name, kind string) ([]string, error) {
	a, err := r.look(ctx, name, kind)
	return a.values, err
}

// TXT returns the texts of the TXT records of a name, as Values does, and how long they
// are true.
func (r *Resolver) TXT(ctx context.Context, name string) (texts []string, ttl time.Duration, err error) {
	a, err := r.look(ctx, name, "TXT")
	return a.values, time.Duration(a.ttl) * time.Second, err
}

func (r *Resolver) look(ctx context.Context, name, kind string) (answer, error) {
	for range maxAliases {
		servers, err := r.authorities(ctx, name)
		if err != nil {
			return answer{}, err
		}
		a, err := r.ask(ctx, servers, name, kind)
		if err != nil {
			return answer{}, err
		}
		if a.alias == "" || kind == "CNAME" || len(a.values) > 0 {
			return a, nil
		}
		name = a.alias
	}
	return answer{}, fmt.Errorf("%s is an alias of an alias, %d times over", name, maxAliases)
}

// authorities returns the addresses of the servers of the closest zone above name.
func (r *Resolver) authorities(ctx context.Context, name string) ([]string, error) {
	labels := strings.Split(strings.TrimSuffix(name, "."), ".")
	for i := range labels {
		cut := strings.Join(labels[i:], ".")
		if known, ok := r.servers[cut]; ok {
			return known, nil
		}
		addrs, err := r.nameServers(ctx, cut)
		if dns, ok := errors.AsType[*net.DNSError](err); ok && dns.IsNotFound {
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("finding the name servers of %s: %w", cut, err)
		}
		if r.servers == nil {
			r.servers = map[string][]string{}
		}
		r.servers[cut] = addrs
		return addrs, nil
	}
	return nil, fmt.Errorf("%s: %w", name, ErrNoServers)
}

func (r *Resolver) nameServers(ctx context.Context, cut string) ([]string, error) {
	system := r.System
	if system == nil {
		system = net.DefaultResolver
	}
	servers, err := system.LookupNS(ctx, cut+".")
	if err != nil {
		return nil, err
	}
	port := r.Port
	if port == "" {
		port = "53"
	}
	var each [][]string
	for _, ns := range servers[:min(len(servers), maxNames)] {
		found, lookup := system.LookupHost(ctx, ns.Host)
		if lookup != nil {
			err = lookup
			continue
		}
		each = append(each, found)
	}
	addrs := inTurn(each, port)
	if len(addrs) == 0 {
		return nil, fmt.Errorf("none of its name servers has an address: %w", err)
	}
	return addrs, nil
}

// inTurn are the first addresses of all servers, then their second ones, and so on, up to
// maxServers: one that is hidden, or that this machine has no way to, leaves room for the
// others.
func inTurn(each [][]string, port string) (addrs []string) {
	for i := 0; ; i++ {
		more := false
		for _, found := range each {
			if i < len(found) && len(addrs) < maxServers {
				addrs, more = append(addrs, net.JoinHostPort(found[i], port)), true
			}
		}
		if !more {
			return addrs
		}
	}
}

// ask asks one server after the other until one answers.
func (r *Resolver) ask(ctx context.Context, servers []string, name, kind string) (answer, error) {
	var errs []error
	for _, server := range servers {
		a, err := exchange(ctx, server, name, kind)
		if err == nil {
			return a, nil
		}
		errs = append(errs, fmt.Errorf("%s: %w", server, err))
	}
	return answer{}, fmt.Errorf("asking for %s of %s: %w", kind, name, errors.Join(errs...))
}
