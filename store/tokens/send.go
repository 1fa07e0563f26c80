package tokens

import (
	"fmt"
	"slices"
	"time"

	bolt "go.etcd.io/bbolt"

	"chatmaild/push"
)

// Take implements push.Queue.
func (q *queue) Take(keys []push.Key) (entries []push.Entry, err error) {
	if len(keys) == 0 {
		return nil, nil
	}
	err = q.view(func(tx *bolt.Tx) error {
		for _, k := range keys {
			if err := q.take(tx, k, tx.Bucket(queueBucket).Get(encodeKey(k)), &entries); err != nil {
				return err
			}
		}
		return nil
	})
	return q.taken(entries, err)
}

// TakeDue implements push.Queue.
func (q *queue) TakeDue(now time.Time, n int) (entries []push.Entry, next time.Time, err error) {
	err = q.view(func(tx *bolt.Tx) error {
		next, err = walk(tx, func(k push.Key, value []byte) (more bool, err error) {
			if k.Due > now.UnixNano() || len(entries) >= n {
				return false, nil
			}
			return true, q.take(tx, k, value, &entries)
		})
		return err
	})
	entries, err = q.taken(entries, err)
	return entries, next, err
}

// maxLook is how many due entries TakeProbe looks through for a proven token.
const maxLook = 4096

// TakeProbe implements push.Queue.
func (q *queue) TakeProbe(now time.Time, proven func(token uint64) bool, fresh []push.Key) (entries []push.Entry, next time.Time, err error) {
	err = q.view(func(tx *bolt.Tx) error {
		looked := 0
		_, err := walk(tx, func(k push.Key, value []byte) (more bool, err error) {
			if looked++; k.Due > now.UnixNano() || looked > maxLook || len(entries) > 0 {
				return false, nil
			}
			if !proven(k.Token) {
				return true, nil
			}
			return true, q.take(tx, k, value, &entries)
		})
		return err
	})
	if entries, err = q.taken(entries, err); err == nil && len(entries) == 0 {
		entries, err = q.Take(fresh)
	}
	if err != nil || len(entries) > 0 {
		return entries, now, err
	}
	return q.TakeDue(now, 1)
}

// walk visits the entries in the order in which they are due, as long as visit wants
// more. It returns when the first one is due that it wanted no more of.
func walk(tx *bolt.Tx, visit func(k push.Key, value []byte) (more bool, err error)) (next time.Time, err error) {
	c := tx.Bucket(queueBucket).Cursor()
	for key, value := c.First(); key != nil; key, value = c.Next() {
		k, err := decodeKey(key)
		if err != nil {
			return time.Time{}, err
		}
		if more, err := visit(k, value); err != nil {
			return time.Time{}, err
		} else if !more {
			return time.Unix(0, k.Due), nil
		}
	}
	return time.Time{}, nil
}

// take adds the entry k with the given value to entries, if it waits.
func (q *queue) take(tx *bolt.Tx, k push.Key, value []byte, entries *[]push.Entry) error {
	if value == nil || !q.index.take(k) {
		return nil
	}
	*entries = append(*entries, push.Entry{Key: k})
	e, err := decodeEntry(k, value)
	if err != nil {
		return err
	}
	tokens, err := decodeTokens(tx.Bucket(accountsBucket).Get([]byte(e.Account)))
	if err != nil {
		return err
	}
	if i := slices.IndexFunc(tokens, func(t push.Token) bool { return t.ID == k.Token }); i >= 0 {
		e.Text = tokens[i].Text
	}
	(*entries)[len(*entries)-1] = e
	return nil
}

// taken gives entries back if they could not all be read.
func (q *queue) taken(entries []push.Entry, err error) ([]push.Entry, error) {
	if err == nil {
		return entries, nil
	}
	for _, e := range entries {
		q.index.untake(e.Key)
	}
	return nil, err
}

// Done implements push.Queue.
func (q *queue) Done(e push.Entry) error {
	return q.finish(e, func(b *batch) error {
		return b.Bucket(queueBucket).Delete(encodeKey(e.Key))
	})
}

// Return implements push.Queue. If a later entry of the token waits by now, it stands
// for both.
func (q *queue) Return(e push.Entry) error {
	return q.finish(e, func(b *batch) error {
		if _, later := b.waits(e.Token); later {
			return b.Bucket(queueBucket).Delete(encodeKey(e.Key))
		}
		b.wait(e.Token, e.Due)
		return nil
	})
}

// Retry implements push.Queue. A later entry of the token goes, and lends its age: it
// must not be given up with the earlier one.
func (q *queue) Retry(e push.Entry, due time.Time) error {
	return q.finish(e, func(b *batch) error {
		queue := b.Bucket(queueBucket)
		if err := queue.Delete(encodeKey(e.Key)); err != nil {
			return err
		}
		again := e
		again.Tries++
		if later, ok := b.waits(e.Token); ok {
			k := push.Key{Due: later, Token: e.Token}
			l, err := decodeEntry(k, queue.Get(encodeKey(k)))
			if err != nil {
				return err
			}
			again.First = l.First
			if err := b.drop(e.Token); err != nil {
				return err
			}
		}
		again.Due = due.UnixNano()
		b.wait(e.Token, again.Due)
		return queue.Put(encodeKey(again.Key), encodeEntry(again))
	})
}

// Gone implements push.Queue.
func (q *queue) Gone(e push.Entry) error {
	return q.finish(e, func(b *batch) error {
		if err := b.Bucket(queueBucket).Delete(encodeKey(e.Key)); err != nil {
			return err
		}
		return b.edit(e.Account, nil, func(tokens []push.Token) ([]push.Token, bool) {
			kept := slices.DeleteFunc(tokens, func(t push.Token) bool { return t.ID == e.Token })
			return kept, len(kept) < len(tokens)
		})
	})
}

// finish makes the last change of an entry that is being sent. If that fails, it goes
// on being sent.
func (q *queue) finish(e push.Entry, apply func(*batch) error) error {
	if err := q.update(apply); err != nil {
		return err
	}
	q.index.release(e.Key)
	return nil
}

// Stats implements push.Queue.
func (q *queue) Stats() (push.QueueStats, error) {
	s := push.QueueStats{Entries: q.index.size(), Limit: q.max, Evicted: q.index.evictions()}
	err := q.view(func(tx *bolt.Tx) error {
		key, value := tx.Bucket(queueBucket).Cursor().First()
		if key == nil {
			return nil
		}
		k, err := decodeKey(key)
		if err != nil {
			return err
		}
		e, err := decodeEntry(k, value)
		s.Oldest = &e.First
		return err
	})
	if err != nil {
		return s, fmt.Errorf("describing the queue: %w", err)
	}
	return s, nil
}
