package tokens

import (
	"sync"
	"time"

	"chatmaild/push"
)

// index is what memory holds of the queue: for each token when its waiting entry is
// due, and for those that are being sent their entry's due time. It says nothing that is
// not on the disk: a transaction's effect arrives after its commit.
type index struct {
	mu      sync.Mutex
	waiting map[uint64]int64
	sending map[uint64]int64
	evicted uint64 // entries that went because the queue was full
}

func newIndex() *index {
	return &index{waiting: make(map[uint64]int64), sending: make(map[uint64]int64)}
}

// overlay is what a transaction changes about the waiting entries.
type overlay struct {
	base    *index
	due     map[uint64]int64 // 0: none waits any more
	added   int              // entries more than base has
	evicted uint64
}

func (ix *index) overlay() *overlay {
	return &overlay{base: ix, due: make(map[uint64]int64)}
}

// waits returns when the waiting entry of a token is due.
func (o *overlay) waits(token uint64) (due int64, ok bool) {
	if due, ok = o.due[token]; ok {
		return due, due != 0
	}
	o.base.mu.Lock()
	defer o.base.mu.Unlock()
	due, ok = o.base.waiting[token]
	return due, ok
}

// sends returns the due time of the entry of a token that is being sent.
func (o *overlay) sends(token uint64) (due int64, ok bool) {
	o.base.mu.Lock()
	defer o.base.mu.Unlock()
	due, ok = o.base.sending[token]
	return due, ok
}

func (o *overlay) wait(token uint64, due int64) {
	if _, ok := o.waits(token); !ok {
		o.added++
	}
	o.due[token] = due
}

func (o *overlay) waitNoMore(token uint64) {
	if _, ok := o.waits(token); ok {
		o.added--
	}
	o.due[token] = 0
}

func (ix *index) merge(o *overlay) {
	ix.mu.Lock()
	defer ix.mu.Unlock()
	for token, due := range o.due {
		if due == 0 {
			delete(ix.waiting, token)
		} else {
			ix.waiting[token] = due
		}
	}
	ix.evicted += o.evicted
}

// size is the number of entries, with those that are being sent.
func (ix *index) size() int {
	ix.mu.Lock()
	defer ix.mu.Unlock()
	return len(ix.waiting) + len(ix.sending)
}

// take marks an entry as being sent, if it is the one of its token that waits and none
// is being sent.
func (ix *index) take(k push.Key) bool {
	ix.mu.Lock()
	defer ix.mu.Unlock()
	if _, busy := ix.sending[k.Token]; busy || ix.waiting[k.Token] != k.Due {
		return false
	}
	delete(ix.waiting, k.Token)
	ix.sending[k.Token] = k.Due
	return true
}

// ready returns those of the waiting entries of tokens that are due, if an entry of
// each of them waits: then there is nothing to add.
func (ix *index) ready(tokens []push.Token, now time.Time) (keys []push.Key, ok bool) {
	ix.mu.Lock()
	defer ix.mu.Unlock()
	for _, t := range tokens {
		due, waits := ix.waiting[t.ID]
		if !waits || due > now.Add(push.MaxRetryAge).UnixNano() {
			return nil, false
		}
		if due <= now.UnixNano() {
			keys = append(keys, push.Key{Due: due, Token: t.ID})
		}
	}
	return keys, true
}

// anyWaits reports whether an entry of one of tokens waits, or is being sent.
func (ix *index) anyWaits(tokens []push.Token) bool {
	ix.mu.Lock()
	defer ix.mu.Unlock()
	for _, t := range tokens {
		if _, waits := ix.waiting[t.ID]; waits {
			return true
		}
		if _, sends := ix.sending[t.ID]; sends {
			return true
		}
	}
	return false
}

// untake undoes take.
func (ix *index) untake(k push.Key) {
	ix.mu.Lock()
	defer ix.mu.Unlock()
	delete(ix.sending, k.Token)
	ix.waiting[k.Token] = k.Due
}

// evictions is how many entries went because the queue was full.
func (ix *index) evictions() uint64 {
	ix.mu.Lock()
	defer ix.mu.Unlock()
	return ix.evicted
}

// release says that an entry is not being sent any more.
func (ix *index) release(k push.Key) {
	ix.mu.Lock()
	defer ix.mu.Unlock()
	delete(ix.sending, k.Token)
}
