package dkim

import (
	"sync"
	"time"
)

// The bounds of the cache. A key that its domain gives up counts no longer than
// maxTTL after that. A key takes less than 2 KiB.
const (
	maxKeys = 4096
	maxTTL  = time.Hour
)

// cache holds keys until they expire.
type cache struct {
	mu   sync.Mutex
	keys map[string]cached
}

type cached struct {
	key     *key
	expires time.Time
}

func (c *cache) get(name string, now time.Time) *key {
	c.mu.Lock()
	defer c.mu.Unlock()
	if e, ok := c.keys[name]; ok && now.Before(e.expires) {
		return e.key
	}
	return nil
}

func (c *cache) put(name string, k *key, now time.Time, ttl time.Duration) {
	if ttl <= 0 {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.keys == nil {
		c.keys = make(map[string]cached)
	}
	if _, ok := c.keys[name]; !ok && len(c.keys) >= maxKeys {
		c.makeRoom(now)
	}
	c.keys[name] = cached{k, now.Add(min(ttl, maxTTL))}
}

// makeRoom removes what has expired, or else any key: one that is in use comes
// back by its next message.
func (c *cache) makeRoom(now time.Time) {
	victim := ""
	for name, e := range c.keys {
		if victim = name; !now.Before(e.expires) {
			delete(c.keys, name)
		}
	}
	if len(c.keys) >= maxKeys {
		delete(c.keys, victim)
	}
}
