package lookup

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"strings"
	"time"

	"github.com/miekg/dns"
)

// Bounds of a look-up.
const (
	// LookupTimeout is for all servers and attempts. A message waits for it.
	LookupTimeout = 5 * time.Second

	attempts   = 2        // at each server
	maxServers = 3        // as resolv.conf(5)
	maxAliases = 8        // a chain of CNAMEs
	maxConfig  = 64 << 10 // bytes of resolv.conf
)

// System is the machine's resolvers. It is safe for concurrent use.
type System struct {
	// File names them; "" means /etc/resolv.conf. It is read for each
	// look-up, as it may change at any time.
	File string
	// Port is where they listen; "" means 53.
	Port string
}

// TXT is the TXT records of a name.
type TXT struct {
	Texts []string      // of each record, its strings joined
	TTL   time.Duration // how long that is true
}

// TXT looks TXT records up, through aliases. A name that does not exist has
// none, which is not an error; an error means that nobody could tell. The name is
// absolute, with or without the final dot.
func (s *System) TXT(ctx context.Context, name string) (TXT, error) {
	name = dns.Fqdn(name)
	if _, ok := dns.IsDomainName(name); !ok || strings.Contains(name, `\`) {
		return TXT{}, nil // too long to exist, or with what the library takes for an escape
	}
	servers, err := s.servers()
	if err != nil {
		return TXT{}, err
	}
	ctx, cancel := context.WithTimeout(ctx, LookupTimeout)
	defer cancel()
	var errs []error
	for i := range attempts * len(servers) {
		server := servers[i%len(servers)]
		reply, err := Ask(ctx, server, name, dns.TypeTXT, true)
		var found TXT
		if err == nil {
			found, err = parseTXT(reply, name)
		}
		if err == nil {
			return found, nil
		}
		errs = append(errs, err)
		if ctx.Err() != nil {
			break
		}
	}
	return TXT{}, errors.Join(errs...)
}

// servers returns the addresses of the resolvers.
func (s *System) servers() ([]string, error) {
	name := s.File
	if name == "" {
		name = "/etc/resolv.conf"
	}
	f, err := os.Open(name)
	if err != nil {
		return nil, fmt.Errorf("finding the machine's resolvers: %w", err)
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, maxConfig))
	if err != nil {
		return nil, fmt.Errorf("finding the machine's resolvers: %w", err)
	}
	port := s.Port
	if port == "" {
		port = "53"
	}
	return parseServers(text, port), nil
}

// parseServers reads resolv.conf(5). Without a server, this machine is one.
func parseServers(text []byte, port string) []string {
	var servers []string
	for line := range bytes.Lines(text) {
		f := bytes.Fields(line)
		if len(f) < 2 || string(f[0]) != "nameserver" {
			continue
		}
		addr, err := netip.ParseAddr(string(f[1]))
		if err == nil && len(servers) < maxServers {
			servers = append(servers, net.JoinHostPort(addr.String(), port))
		}
	}
	if servers == nil {
		return []string{net.JoinHostPort("127.0.0.1", port)}
	}
	return servers
}

// parseTXT reads a reply of a resolver.
func parseTXT(reply *dns.Msg, name string) (TXT, error) {
	if reply.Rcode != dns.RcodeSuccess && reply.Rcode != dns.RcodeNameError {
		return TXT{}, fmt.Errorf("the name server answers %s", dns.RcodeToString[reply.Rcode])
	}
	found, ttl := TXT{}, uint32(1<<31-1)
	for range maxAliases {
		alias := name
		for _, record := range reply.Answer {
			header := record.Header()
			if !strings.EqualFold(header.Name, name) || header.Class != dns.ClassINET {
				continue
			}
			switch r := record.(type) {
			case *dns.TXT:
				found.Texts = append(found.Texts, Text(r))
			case *dns.CNAME:
				alias = r.Target
			default:
				continue
			}
			ttl = min(ttl, header.Ttl)
		}
		if alias == name || found.Texts != nil {
			break
		}
		name = alias
	}
	found.TTL = time.Duration(ttl) * time.Second
	if found.Texts == nil {
		found.TTL = 0
	}
	return found, nil
}
