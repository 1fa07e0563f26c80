package dkim

import "time"

// table holds values by name until they expire, max of them at most. The zero value has
// no room; it is not safe for concurrent use.
type table[T any] struct {
	max     int
	entries map[string]entry[T]
}

type entry[T any] struct {
	value   T
	expires time.Time
}

func newTable[T any](max int) table[T] {
	return table[T]{max: max, entries: make(map[string]entry[T])}
}

func (t *table[T]) get(name string, now time.Time) (value T, ok bool) {
	e, ok := t.entries[name]
	if !ok || !now.Before(e.expires) {
		return value, false
	}
	return e.value, true
}

func (t *table[T]) put(name string, value T, now time.Time, age time.Duration) {
	if age <= 0 {
		return
	}
	if _, ok := t.entries[name]; !ok && len(t.entries) >= t.max {
		t.makeRoom(now)
	}
	t.entries[name] = entry[T]{value, now.Add(age)}
}

func (t *table[T]) remove(name string) { delete(t.entries, name) }

// makeRoom removes what has expired, or else any entry: one that is in use comes back
// by its next message.
func (t *table[T]) makeRoom(now time.Time) {
	victim := ""
	for name, e := range t.entries {
		if victim = name; !now.Before(e.expires) {
			delete(t.entries, name)
		}
	}
	if len(t.entries) >= t.max {
		delete(t.entries, victim)
	}
}
