package maildir

import (
	"errors"
	"slices"
	"strings"
	"sync"
)

// maxFaults bounds how many kinds of fault are distinguished.
const maxFaults = 64

// Fault is one kind of thing that went wrong, with the first place as an example.
type Fault struct {
	Doing string `json:"doing"`
	Error string `json:"error"`
	Count int64  `json:"count"`

	// Mailbox is the address; it is not for the log.
	Mailbox string `json:"-"`
	// Name is that of a file or directory in the mailbox, "" for the mailbox itself.
	Name string `json:"name,omitempty"`
}

// Faults collects what goes wrong while the work continues. Each kind, which is what
// was done and how it failed, is named once, however often it happens.
type Faults struct {
	mu    sync.Mutex
	kinds []Fault
	total int64
}

// Add records that doing something failed, at a name in a mailbox.
func (f *Faults) Add(doing string, err error, mailbox, name string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.total++
	i := slices.IndexFunc(f.kinds, func(k Fault) bool { return k.Doing == doing && k.Error == err.Error() })
	if i < 0 && len(f.kinds) < maxFaults {
		i = len(f.kinds)
		// A name from the disk holds any bytes; what prints it gets text.
		f.kinds = append(f.kinds, Fault{Doing: doing, Error: err.Error(), Mailbox: printable(mailbox), Name: printable(name)})
	}
	if i >= 0 {
		f.kinds[i].Count++
	}
}

// Kinds returns each kind of fault.
func (f *Faults) Kinds() []Fault {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Clone(f.kinds)
}

// Total returns how often something went wrong.
func (f *Faults) Total() int64 {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.total
}

// Err returns ErrFaults if anything went wrong.
func (f *Faults) Err() error {
	if f.Total() == 0 {
		return nil
	}
	return ErrFaults
}

// ErrFaults says that the work was done, but not on all of the store.
var ErrFaults = errors.New("a part of the store could not be processed")

func printable(name string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f || r == '\ufffd' {
			return '?'
		}
		return r
	}, name)
}
