package maillog

import (
	"crypto/rand"
	"sync"
	"time"

	"chatmaild/applets/maillog/pseudonym"
)

// names makes the pseudonyms of a day, in UTC.
type names struct {
	now func() time.Time

	mu    sync.Mutex
	day   int64 // since 1970
	namer *pseudonym.Namer
}

// append appends a line to dst, with pseudonyms in it.
func (n *names) append(dst []byte, line string) []byte {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.today().Append(dst, line)
}

// name returns what a name is called today.
func (n *names) name(name string) string {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.today().Name(name)
}

// today returns the namer of the day. A clock that is set back gets a new key too.
func (n *names) today() *pseudonym.Namer {
	if day := n.now().Unix() / int64(24*time.Hour/time.Second); n.namer == nil || day != n.day {
		var key [32]byte
		_, _ = rand.Read(key[:]) // never fails
		n.day, n.namer = day, pseudonym.New(key[:])
	}
	return n.namer
}
