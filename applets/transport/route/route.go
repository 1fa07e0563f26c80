// Package route finds the hosts that take the mail of a domain (RFC 5321, section 5.1), and
// their addresses. The machine's resolvers are asked each time that nothing is remembered;
// answers are remembered for a minute, failures not at all.
package route

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"time"

	"chatmaild/auth/mailaddr"
)

// Bounds.
const (
	lookupTimeout = 10 * time.Second
	memory        = time.Minute // how long an answer is taken for true
	recent        = 10 * memory // … where it need not be
	maxMemory     = 4096        // answers
	maxHosts      = 5           // that are tried, of a domain
	maxAddresses  = 8           // of a host
)

// Resolver is what is asked; a *net.Resolver is one.
type Resolver interface {
	LookupMX(ctx context.Context, name string) ([]*net.MX, error)
	LookupNetIP(ctx context.Context, network, host string) ([]netip.Addr, error)
}

// Failure is why a domain has no host. It is fit for a reply: it holds the domain at most.
type Failure struct {
	Permanent bool
	Status    string // enhanced status code without its class: "1.2" (RFC 3463)
	Text      string
}

func (f *Failure) Error() string { return f.Text }

// Loops reports whether err is that mail would come back to this relay.
func Loops(err error) bool {
	var f *Failure
	return errors.As(err, &f) && f.Status == loops
}

// loops is the enhanced status code of a routing loop, without its class.
const loops = "4.6"

func looping(name string) *Failure {
	return &Failure{true, loops, fmt.Sprintf("mail for %s loops back to this relay", name)}
}

// Router finds hosts. It is safe for concurrent use.
type Router struct {
	Resolver Resolver
	Self     string                // our own name: mail for us does not leave by ourselves
	Own      func(netip.Addr) bool // whether an address is this machine's

	mu    sync.Mutex
	hosts map[string]answer[[]string]     // by domain
	addrs map[string]answer[[]netip.Addr] // by host
}

// answer is one that is remembered.
type answer[T any] struct {
	value T
	until time.Time
}

// recall returns what is remembered under a name.
func recall[T any](r *Router, m *map[string]answer[T], name string) (value T, ok bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	a, ok := (*m)[name]
	return a.value, ok && time.Now().Before(a.until)
}

// remember keeps an answer. When there are too many, all are forgotten: they are asked for again.
func remember[T any](r *Router, m *map[string]answer[T], name string, value T) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if *m == nil || len(*m) >= maxMemory {
		*m = make(map[string]answer[T])
	}
	(*m)[name] = answer[T]{value, time.Now().Add(memory)}
}

// Recent returns what Hosts has found of late, without looking anything up. They may not be the
// domain's hosts any more.
func (r *Router) Recent(domain string) (hosts []string) {
	domain = strings.ToLower(domain)
	if strings.HasPrefix(domain, "[") {
		hosts, _ = r.literal(domain)
		return hosts
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	a := r.hosts[domain]
	if time.Now().After(a.until.Add(recent - memory)) {
		return nil
	}
	return a.value
}

// Forget has a domain and its hosts looked up again.
func (r *Router) Forget(domain string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	domain = strings.ToLower(domain)
	for _, host := range r.hosts[domain].value {
		delete(r.addrs, host)
	}
	delete(r.addrs, domain)
	delete(r.hosts, domain)
}

// Hosts returns the names of the hosts of a domain, without a final dot, in the order in
// which to try them. That of an address literal is its address. An error is a *Failure.
func (r *Router) Hosts(ctx context.Context, domain string) ([]string, error) {
	domain = strings.ToLower(domain)
	if strings.HasPrefix(domain, "[") {
		return r.literal(domain)
	}
	if hosts, ok := recall(r, &r.hosts, domain); ok {
		return hosts, nil
	}
	ctx, cancel := context.WithTimeout(ctx, lookupTimeout)
	defer cancel()
	hosts, err := r.exchangers(ctx, domain)
	if err != nil {
		return nil, err
	}
	remember(r, &r.hosts, domain, hosts)
	return hosts, nil
}

func (r *Router) literal(domain string) ([]string, error) {
	addr, ok := mailaddr.ParseLiteral(domain)
	if !ok {
		return nil, &Failure{true, "1.3", "malformed address literal"}
	}
	if r.Own(addr) {
		return nil, looping("the address literal")
	}
	return []string{addr.String()}, nil
}

// exchangers asks for the MX records of a domain. One that has none is its own host.
func (r *Router) exchangers(ctx context.Context, domain string) ([]string, error) {
	records, err := r.Resolver.LookupMX(ctx, domain+".")
	var no *net.DNSError
	switch {
	case len(records) > 0:
	case err == nil, errors.As(err, &no) && no.IsNotFound:
		if _, err := r.Addresses(ctx, domain); err != nil {
			return nil, err
		}
		return []string{domain}, nil
	default:
		return nil, unanswered(domain)
	}
	if len(records) == 1 && records[0].Host == "." {
		return nil, &Failure{true, "1.10", fmt.Sprintf("the domain %s accepts no mail (null MX)", domain)}
	}
	records = r.beforeUs(records)
	if len(records) == 0 {
		return nil, looping(domain)
	}
	rand.Shuffle(len(records), func(i, j int) { records[i], records[j] = records[j], records[i] })
	slices.SortStableFunc(records, func(a, b *net.MX) int { return int(a.Pref) - int(b.Pref) })
	var hosts []string
	for _, record := range records[:min(len(records), maxHosts)] {
		hosts = append(hosts, strings.ToLower(strings.TrimSuffix(record.Host, ".")))
	}
	return hosts, nil
}

// beforeUs leaves out, where we are among the hosts, us and all that come after us (RFC
// 5321, section 5.1).
func (r *Router) beforeUs(records []*net.MX) []*net.MX {
	for _, record := range records {
		if strings.EqualFold(strings.TrimSuffix(record.Host, "."), r.Self) {
			limit := record.Pref
			return slices.DeleteFunc(slices.Clone(records), func(m *net.MX) bool { return m.Pref >= limit })
		}
	}
	return slices.Clone(records)
}

// Addresses returns the addresses of a host, all of another machine. An error is a *Failure.
func (r *Router) Addresses(ctx context.Context, name string) ([]netip.Addr, error) {
	if addr, err := netip.ParseAddr(name); err == nil {
		return []netip.Addr{addr}, nil
	}
	if addrs, ok := recall(r, &r.addrs, name); ok {
		return addrs, nil
	}
	ctx, cancel := context.WithTimeout(ctx, lookupTimeout)
	defer cancel()
	addrs, err := r.Resolver.LookupNetIP(ctx, "ip", name+".")
	var no *net.DNSError
	switch {
	case len(addrs) > 0:
		if slices.ContainsFunc(addrs, func(a netip.Addr) bool { return r.Own(a.Unmap()) }) {
			return nil, looping(name)
		}
		addrs = addrs[:min(len(addrs), maxAddresses)]
		remember(r, &r.addrs, name, addrs)
		return addrs, nil
	case err == nil, errors.As(err, &no) && no.IsNotFound:
		return nil, &Failure{true, "4.4", fmt.Sprintf("the host %s does not exist, or has no address", name)}
	default:
		return nil, unanswered(name)
	}
}

// unanswered says so in the words of Postfix, by which queuewatch knows mail to try again
// as soon as name servers answer.
func unanswered(name string) *Failure {
	return &Failure{false, "4.3", fmt.Sprintf("Name service error for name=%s: no answer", name)}
}
