package mtasts

import (
	"context"
	"sync"
	"time"
)

// Bounds of the memory.
const (
	maxDomains = 4096
	// checkAfter is for how long a domain is not asked again, whether it had a policy, had
	// none, or gave no answer.
	checkAfter   = 5 * time.Minute
	fetchTimeout = 5 * time.Second
)

// Cache remembers policies. It is safe for concurrent use.
type Cache struct {
	// Records returns the TXT records of a name, which is absolute. An error means that
	// there is no answer.
	Records func(ctx context.Context, name string) ([]string, error)
	// Fetch returns what a domain has at https://mta-sts.DOMAIN/.well-known/mta-sts.txt.
	Fetch func(ctx context.Context, domain string) (string, error)
	Now   func() time.Time

	mu      sync.Mutex
	domains map[string]*entry
}

// entry is what is known of a domain.
type entry struct {
	mu      sync.Mutex // one asks at a time, and the others wait
	id      string
	policy  Policy
	expires time.Time
	next    time.Time // look again
}

// Policy returns the policy of a domain, whose name is in lower case. One that was true
// stays so until it expires, whatever the domain says or does not say meanwhile (RFC 8461,
// section 5.1). A domain without one allows all hosts.
func (c *Cache) Policy(ctx context.Context, domain string) Policy {
	e := c.entry(domain)
	e.mu.Lock()
	defer e.mu.Unlock()
	if now := c.Now(); !now.Before(e.next) {
		e.next = now.Add(checkAfter)
		c.refresh(ctx, e, domain)
	}
	if c.Now().After(e.expires) {
		return Policy{}
	}
	return e.policy
}

func (c *Cache) refresh(ctx context.Context, e *entry, domain string) {
	ctx, cancel := context.WithTimeout(ctx, fetchTimeout)
	defer cancel()
	records, err := c.Records(ctx, "_mta-sts."+domain+".")
	if err != nil {
		return
	}
	id, now := ID(records), c.Now()
	if id == "" || id == e.id && now.Before(e.expires) {
		return
	}
	text, err := c.Fetch(ctx, domain)
	if err != nil {
		return
	}
	policy, err := Parse(text)
	if err != nil {
		return
	}
	e.id, e.policy, e.expires = id, policy, now.Add(policy.MaxAge)
}

// entry returns that of a domain. Of too many, those go that hold no policy; if that is not
// enough, all do.
func (c *Cache) entry(domain string) *entry {
	c.mu.Lock()
	defer c.mu.Unlock()
	if e, ok := c.domains[domain]; ok {
		return e
	}
	if len(c.domains) >= maxDomains {
		for name, e := range c.domains {
			if e.mu.TryLock() {
				if e.id == "" {
					delete(c.domains, name)
				}
				e.mu.Unlock()
			}
		}
	}
	if c.domains == nil || len(c.domains) >= maxDomains {
		c.domains = make(map[string]*entry)
	}
	e := new(entry)
	c.domains[domain] = e
	return e
}
