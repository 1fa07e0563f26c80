package tokens

import (
	"time"

	"chatmaild/push"
)

// queue is the notifications that wait.
type queue struct {
	*file
	accounts *accounts
	max      int // entries
}

// Notify queues a notification for each valid token of an account for which none
// waits, and returns the entries that nothing keeps from being sent at once: the new
// ones, and those that only wait for their turn.
func (q *queue) Notify(account string, now time.Time) ([]push.Key, error) {
	tokens, err := q.accounts.Tokens(account)
	if err != nil {
		return nil, err
	}
	tokens = push.Valid(tokens, now)
	if ready, ok := q.index.ready(tokens, now); ok {
		return ready, nil
	}
	var ready []push.Key
	err = q.update(func(b *batch) error {
		ready = ready[:0]
		tokens, err := decodeTokens(b.Bucket(accountsBucket).Get([]byte(account)))
		if err != nil {
			return err
		}
		for _, t := range push.Valid(tokens, now) {
			k, isReady, err := q.add(b, account, t.ID, now)
			if err != nil {
				return err
			}
			if isReady {
				ready = append(ready, k)
			}
		}
		return nil
	})
	return ready, err
}

// Waiting reports whether a notification waits for one of tokens.
func (q *queue) Waiting(tokens []push.Token) bool { return q.index.anyWaits(tokens) }

// add queues an entry for a token, unless one waits. It returns the key of the one that
// waits now, and whether it is due.
func (q *queue) add(b *batch, account string, token uint64, now time.Time) (k push.Key, ready bool, err error) {
	k = push.Key{Due: now.UnixNano(), Token: token}
	if due, ok := b.waits(token); ok {
		if due <= now.Add(push.MaxRetryAge).UnixNano() {
			return push.Key{Due: due, Token: token}, due <= k.Due, nil
		}
		// The clock was ahead when it was queued, and has been put right.
		if err := b.drop(token); err != nil {
			return k, false, err
		}
	}
	if due, ok := b.sends(token); ok && due == k.Due {
		k.Due++ // keys are unique
	}
	if q.index.size()+b.added >= q.max {
		if err := b.evict(); err != nil {
			return k, false, err
		}
	}
	e := push.Entry{Key: k, Account: account, First: now}
	b.wait(token, k.Due)
	bucket := b.Bucket(queueBucket)
	bucket.FillPercent = 0.9 // most keys come in their order
	return k, true, bucket.Put(encodeKey(k), encodeEntry(e))
}

// drop removes the waiting entry of a token, if there is one.
func (b *batch) drop(token uint64) error {
	due, ok := b.waits(token)
	if !ok {
		return nil
	}
	b.waitNoMore(token)
	return b.Bucket(queueBucket).Delete(encodeKey(push.Key{Due: due, Token: token}))
}

// evict removes the waiting entry that has been due longest.
func (b *batch) evict() error {
	c := b.Bucket(queueBucket).Cursor()
	for key, _ := c.First(); key != nil; key, _ = c.Next() {
		k, err := decodeKey(key)
		if err != nil {
			return err
		}
		if due, ok := b.waits(k.Token); ok && due == k.Due {
			b.evicted++
			return b.drop(k.Token)
		}
	}
	return nil
}
