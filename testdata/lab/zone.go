package lab

import (
	"encoding/hex"
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"sync"

	"golang.org/x/net/dns/dnsmessage"
)

// maxString is the length of one character string of a TXT record (RFC 1035,
// section 3.3); longer texts are split.
const maxString = 255

// typeCAA is the type of RFC 8659, which dnsmessage does not know.
const typeCAA dnsmessage.Type = 257

// A Zone holds all names that exist in a lab. It may be changed at any time;
// the server answers from what is there at that moment, with a TTL of 0.
type Zone struct {
	mu    sync.RWMutex
	names map[string][]dnsmessage.ResourceBody // lower case, with the final dot
	fault Fault

	updaters []updater
}

// A Fault is what a lab's DNS server does instead of answering.
type Fault int

// The faults of a DNS server.
const (
	Healthy  Fault = iota
	ServFail       // answers SERVFAIL
	Silent         // does not answer at all
)

// NewZone returns an empty zone.
func NewZone() *Zone { return &Zone{names: map[string][]dnsmessage.ResourceBody{}} }

// SetFault makes the server fail from now on, or work again.
func (z *Zone) SetFault(f Fault) {
	z.mu.Lock()
	defer z.mu.Unlock()
	z.fault = f
}

// Add adds one record: the type's name and the data as in a zone file (RFC
// 1035, section 5). Known are A, AAAA, MX, TXT, CNAME, NS, PTR, SRV and CAA.
func (z *Zone) Add(name, kind, data string) error {
	body, err := parseRecord(kind, data)
	if err != nil {
		return fmt.Errorf("record %s %s %q: %w", name, kind, data, err)
	}
	z.mu.Lock()
	defer z.mu.Unlock()
	key := canonical(name)
	z.names[key] = append(z.names[key], body)
	return nil
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
	key := canonical(name)
	left := slices.DeleteFunc(z.names[key], func(b dnsmessage.ResourceBody) bool {
		return kind == "" || typeNames[typeOf(b)] == strings.ToUpper(kind)
	})
	if len(left) == 0 {
		delete(z.names, key)
		return
	}
	z.names[key] = left
}

// AddFile adds the records of a zone file of the plain kind: a record a line,
// "NAME [TTL] [IN] TYPE DATA", comments after ";".
func (z *Zone) AddFile(text string) error {
	for line := range strings.Lines(text) {
		line = strings.TrimSpace(line)
		if line == "" || strings.HasPrefix(line, ";") || strings.HasPrefix(line, "$") {
			continue
		}
		name, rest := cutField(line)
		kind, data := cutField(rest)
		if _, err := strconv.ParseUint(kind, 10, 32); err == nil {
			kind, data = cutField(data)
		}
		if kind == "IN" {
			kind, data = cutField(data)
		}
		if err := z.Add(name, kind, data); err != nil {
			return err
		}
	}
	return nil
}

// lookup returns the records of a name, following CNAMEs, and whether the name
// exists. The owner of the first record may be an alias of the next.
func (z *Zone) lookup(name string, kind dnsmessage.Type) (answers []ownedRecord, exists bool) {
	const maxChain = 8
	z.mu.RLock()
	defer z.mu.RUnlock()
	owner := canonical(name)
	for range maxChain {
		bodies := z.names[owner]
		if len(bodies) == 0 {
			return answers, len(answers) > 0 || z.hasBelow(owner)
		}
		alias := ""
		for _, b := range bodies {
			if typeOf(b) == kind {
				answers = append(answers, ownedRecord{owner, b})
			} else if c, ok := b.(*dnsmessage.CNAMEResource); ok {
				answers = append(answers, ownedRecord{owner, b})
				alias = canonical(c.CNAME.String())
			}
		}
		if alias == "" {
			break
		}
		owner = alias
	}
	return answers, true
}

type ownedRecord struct {
	owner string
	body  dnsmessage.ResourceBody
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

// addresses returns the addresses of a name, for the lab's own connections.
func (z *Zone) addresses(name string) (found []netip.Addr) {
	for _, kind := range []dnsmessage.Type{dnsmessage.TypeA, dnsmessage.TypeAAAA} {
		answers, _ := z.lookup(name, kind)
		for _, a := range answers {
			switch b := a.body.(type) {
			case *dnsmessage.AResource:
				found = append(found, netip.AddrFrom4(b.A))
			case *dnsmessage.AAAAResource:
				found = append(found, netip.AddrFrom16(b.AAAA))
			}
		}
	}
	return found
}

func canonical(name string) string {
	return strings.ToLower(strings.TrimSuffix(name, ".")) + "."
}

func cutField(s string) (field, rest string) {
	i := strings.IndexAny(s, " \t")
	if i < 0 {
		return s, ""
	}
	return s[:i], strings.TrimLeft(s[i:], " \t")
}

// reverse is the name under which the PTR record of an address stands.
func reverse(a netip.Addr) string {
	var labels []string
	if a.Is4() {
		for _, b := range a.As4() {
			labels = append(labels, strconv.Itoa(int(b)))
		}
	} else {
		b := a.As16()
		labels = strings.Split(hex.EncodeToString(b[:]), "")
	}
	slices.Reverse(labels)
	zone := "in-addr.arpa."
	if a.Is6() {
		zone = "ip6.arpa."
	}
	return strings.Join(labels, ".") + "." + zone
}
