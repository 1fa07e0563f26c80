package courier

import (
	"sync"
	"time"
)

// Bounds of what is remembered of hosts that take no mail by HTTPS.
const (
	smtpOnlyTime = 30 * time.Minute
	maxSMTPOnly  = 10_000
)

// memory is the hosts that take mail by SMTP alone, as of late.
type memory struct {
	mu    sync.Mutex
	until map[string]time.Time
}

func (m *memory) has(host string) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	until, ok := m.until[host]
	if ok && time.Now().After(until) {
		delete(m.until, host)
		return false
	}
	return ok
}

// add remembers a host. When there are too many, all are forgotten, and asked again.
func (m *memory) add(host string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.until == nil || len(m.until) >= maxSMTPOnly {
		m.until = make(map[string]time.Time)
	}
	m.until[host] = time.Now().Add(smtpOnlyTime)
}

// forget has a host asked again.
func (m *memory) forget(host string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.until, host)
}
