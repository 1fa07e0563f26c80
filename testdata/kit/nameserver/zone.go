// Package nameserver is the name server of unit tests and of the lab: a [Zone] of
// records that may change at any time, with faults, and updates (RFC 2136) for who has
// a key.
package nameserver

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"sync"

	"github.com/miekg/dns"
)

// A Zone holds all names that exist in a test. It may be changed at any time; the server
// answers from what is there at that moment, with a TTL of 0.
type Zone struct {
	mu    sync.RWMutex
	names map[string][]dns.RR // lower case, with the final dot
	fault Fault
	mute  string            // names below this one are never answered for; "" for none
	keys  map[string]string // top of a zone that may be updated → name of the key
	// secrets are those of the keys, by their names.
	secrets map[string][]byte
}

// A Fault is what the server does instead of answering.
type Fault int

// The faults of a DNS server.
const (
	Healthy  Fault = iota
	ServFail       // answers SERVFAIL
	Silent         // does not answer at all
)

// NewZone returns an empty zone.
func NewZone() *Zone {
	return &Zone{names: map[string][]dns.RR{}, keys: map[string]string{}, secrets: map[string][]byte{}}
}

// SetFault makes the server fail from now on, or work again.
func (z *Zone) SetFault(f Fault) {
	z.mu.Lock()
	defer z.mu.Unlock()
	z.fault = f
}

// SetMute has the server never answer for names below one, as a name server does that
// wants others to wait; "" for none.
func (z *Zone) SetMute(name string) {
	z.mu.Lock()
	defer z.mu.Unlock()
	if z.mute = name; name != "" {
		z.mute = "." + dns.CanonicalName(name)
	}
}

// Add adds one record: the type's name and the data as in a zone file (RFC 1035,
// section 5). A text without quotes is taken as it is.
func (z *Zone) Add(name, kind, data string) error {
	if strings.EqualFold(kind, "TXT") && !strings.HasPrefix(data, `"`) {
		data = quote(data)
	}
	return z.AddFile(fmt.Sprintf("%s IN %s %s\n", dns.Fqdn(name), kind, data))
}

// Set is Add after removing the records of that type.
func (z *Zone) Set(name, kind, data string) error {
	z.Remove(name, kind)
	return z.Add(name, kind, data)
}

// Remove removes the records of one type; the type "" stands for all.
func (z *Zone) Remove(name, kind string) {
	z.mu.Lock()
	defer z.mu.Unlock()
	z.delete(dns.CanonicalName(name), func(r dns.RR) bool {
		return kind == "" || r.Header().Rrtype == dns.StringToType[strings.ToUpper(kind)]
	})
}

// delete removes records of a name; a name without records does not exist.
func (z *Zone) delete(name string, which func(dns.RR) bool) {
	left := slices.DeleteFunc(z.names[name], which)
	if len(left) == 0 {
		delete(z.names, name)
		return
	}
	z.names[name] = left
}

// AddFile adds the records of a zone file.
func (z *Zone) AddFile(text string) error {
	p := dns.NewZoneParser(strings.NewReader(text), ".", "")
	p.SetDefaultTTL(0)
	var all []dns.RR
	for r, ok := p.Next(); ok; r, ok = p.Next() {
		all = append(all, r)
	}
	if err := p.Err(); err != nil {
		return fmt.Errorf("reading records: %w", err)
	}
	z.mu.Lock()
	defer z.mu.Unlock()
	for _, r := range all {
		z.add(r)
	}
	return nil
}

func (z *Zone) add(r dns.RR) {
	name := dns.CanonicalName(r.Header().Name)
	r.Header().Name, r.Header().Ttl = name, 0
	z.names[name] = append(z.names[name], r)
}

// Lookup returns the records of a name, following CNAMEs, and whether the name exists.
func (z *Zone) Lookup(name string, kind uint16) (answers []dns.RR, exists bool) {
	const maxChain = 8
	z.mu.RLock()
	defer z.mu.RUnlock()
	owner := dns.CanonicalName(name)
	for range maxChain {
		records := z.names[owner]
		if len(records) == 0 {
			return answers, len(answers) > 0 || z.hasBelow(owner)
		}
		alias := ""
		for _, r := range records {
			if c, ok := r.(*dns.CNAME); ok && kind != dns.TypeCNAME {
				answers, alias = append(answers, r), dns.CanonicalName(c.Target)
			} else if r.Header().Rrtype == kind {
				answers = append(answers, r)
			}
		}
		if alias == "" {
			break
		}
		owner = alias
	}
	return answers, true
}

// hasBelow tells an empty non-terminal, which exists (RFC 8020), from nothing.
func (z *Zone) hasBelow(name string) bool {
	for n := range z.names {
		if strings.HasSuffix(n, "."+name) {
			return true
		}
	}
	return false
}

// Addresses returns the addresses of a name, for a test's own connections.
func (z *Zone) Addresses(name string) (found []netip.Addr) {
	for _, kind := range []uint16{dns.TypeA, dns.TypeAAAA} {
		answers, _ := z.Lookup(name, kind)
		for _, r := range answers {
			var ip []byte
			switch r := r.(type) {
			case *dns.A:
				ip = r.A
			case *dns.AAAA:
				ip = r.AAAA
			default:
				continue
			}
			if a, ok := netip.AddrFromSlice(ip); ok {
				found = append(found, a.Unmap())
			}
		}
	}
	return found
}

// maxString is the length of one string of a TXT record (RFC 1035, section 3.3).
const maxString = 255

// quote writes a text as a zone file has it, in strings.
func quote(text string) string {
	var parts []string
	for chunk := range slices.Chunk([]byte(text), maxString) {
		parts = append(parts, `"`+strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(string(chunk))+`"`)
	}
	return strings.Join(parts, " ")
}
