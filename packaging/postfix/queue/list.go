package queue

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strings"
	"sync"
	"time"
)

// A Message waits for at least one recipient.
type Message struct {
	ID         string      `json:"queue_id"`
	Queue      string      `json:"queue_name"` // active, deferred, hold, incoming, maildrop
	Arrival    int64       `json:"arrival_time"`
	Size       int64       `json:"message_size"` // bytes
	Sender     string      `json:"sender"`       // "MAILER-DAEMON" for none
	Recipients []Recipient `json:"recipients"`   // those that are not served yet
}

// A Recipient has not got the message yet.
type Recipient struct {
	Address string `json:"address"`
	Reason  string `json:"delay_reason"` // why the last try failed, or ""
}

// Arrived is when the message came.
func (m Message) Arrived() time.Time { return time.Unix(m.Arrival, 0) }

// For reports whether the message waits for someone at the destination.
func (m Message) For(destination string) bool {
	return slices.ContainsFunc(m.Recipients, func(r Recipient) bool { return Domain(r.Address) == destination })
}

// Domain is the destination of an address: what follows its last "@".
func Domain(address string) string {
	return strings.ToLower(address[strings.LastIndexByte(address, '@')+1:])
}

// Read calls each for every message that a "postqueue -j" printed. The queue may
// be larger than memory; one message is held at a time.
func Read(r io.Reader, each func(Message)) error {
	for d := json.NewDecoder(r); ; {
		var m Message
		if err := d.Decode(&m); errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			return fmt.Errorf("reading what postqueue said: %w", err)
		}
		each(m)
	}
}

// A Destination is all that waits for one domain.
type Destination struct {
	Domain     string
	Messages   int
	Recipients int
	Size       int64          // bytes, of messages that may wait for others too
	Queues     map[string]int // queue → messages
	Oldest     time.Time
	Reason     string // why the last try of the oldest failed; without addresses
}

// Destinations counts messages by destination.
type Destinations struct {
	Messages int   // of all destinations; one with several counts once
	Size     int64 // likewise, in bytes

	byDomain map[string]*Destination
}

// Add counts a message.
func (ds *Destinations) Add(m Message) {
	if ds.byDomain == nil {
		ds.byDomain = map[string]*Destination{}
	}
	ds.Messages++
	ds.Size += m.Size
	counted := map[string]bool{}
	for _, r := range m.Recipients {
		domain := Domain(r.Address)
		d := ds.byDomain[domain]
		if d == nil {
			d = &Destination{Domain: domain, Queues: map[string]int{}}
			ds.byDomain[domain] = d
		}
		d.Recipients++
		if d.Oldest.IsZero() || m.Arrived().Before(d.Oldest) {
			d.Oldest, d.Reason = m.Arrived(), outward(WithoutAddresses(r.Reason))
		}
		if counted[domain] {
			continue
		}
		counted[domain] = true
		d.Messages++
		d.Size += m.Size
		d.Queues[m.Queue]++
	}
}

// Sorted returns the destinations, that with the most messages first.
func (ds *Destinations) Sorted() []Destination {
	var list []Destination
	for _, d := range ds.byDomain {
		list = append(list, *d)
	}
	slices.SortFunc(list, func(a, b Destination) int {
		return cmp.Or(cmp.Compare(b.Messages, a.Messages), cmp.Compare(a.Domain, b.Domain))
	})
	return list
}

// outward returns what the relay's own transport replied, without what Postfix's LMTP client
// puts around it; another reason stays as it is.
func outward(reason string) string {
	_, reply, ok := strings.Cut(reason, "[private/transport] said: ")
	if !ok {
		return reason
	}
	reply, _, _ = strings.Cut(reply, " (in reply to ")
	return strings.Replace(reply, "<…> ", "", 1)
}

// address is whatever has an "@" in it, with the brackets around. It is compiled when
// it is needed: the daemons, which are the same program, never do.
var address = sync.OnceValue(func() *regexp.Regexp {
	return regexp.MustCompile(`<?[^\s<>"(),;:]*@[^\s<>"(),;]*>?`)
})

// WithoutAddresses puts "<…>" in the place of each mail address in a text.
func WithoutAddresses(text string) string { return address().ReplaceAllString(text, "<…>") }
