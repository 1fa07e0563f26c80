package tokens

import (
	"bytes"
	"time"

	bolt "go.etcd.io/bbolt"

	"chatmaild/push"
)

// sweepChunk is how many accounts or entries one transaction looks at: few enough
// that nobody waits long.
const sweepChunk = 1000

// Sweep implements push.Queue. It stops where it cannot be told whether a mailbox
// exists.
func (a *accounts) Sweep(now time.Time) error {
	for from := []byte{}; from != nil; {
		old, next, err := a.old(from, now)
		if err != nil {
			return err
		}
		for _, account := range old {
			if err := a.sweepAccount(account, now); err != nil {
				return err
			}
		}
		from = next
	}
	return nil
}

// old returns those of the next accounts whose mailbox is gone or who have a token
// that is too old, and where to continue, or nil.
func (a *accounts) old(from []byte, now time.Time) (accounts []string, next []byte, err error) {
	all := map[string]bool{} // whether there is an old token
	err = a.view(func(tx *bolt.Tx) error {
		c := tx.Bucket(accountsBucket).Cursor()
		for key, value := c.Seek(from); key != nil; key, value = c.Next() {
			if len(all) == sweepChunk {
				next = bytes.Clone(key)
				return nil
			}
			tokens, err := decodeTokens(value)
			if err != nil {
				return err
			}
			all[string(key)] = len(push.Valid(tokens, now)) < len(tokens)
		}
		return nil
	})
	if err != nil {
		return nil, nil, err
	}
	for account, aged := range all {
		exists, err := a.Mailboxes.Exists(account)
		if err != nil {
			return nil, nil, err
		}
		if aged || !exists {
			accounts = append(accounts, account)
		}
	}
	return accounts, next, nil
}

func (a *accounts) sweepAccount(account string, now time.Time) error {
	exists, err := a.Mailboxes.Exists(account)
	if err != nil {
		return err
	}
	if !exists {
		return a.Remove(account)
	}
	return a.change(account, nil, func(tokens []push.Token) ([]push.Token, bool) {
		valid := push.Valid(tokens, now)
		return valid, len(valid) < len(tokens)
	})
}

// Remove implements push.Queue.
func (a *accounts) Remove(account string) error {
	return a.update(func(b *batch) error {
		forget := func([]push.Token) ([]push.Token, bool) { return nil, true }
		if err := b.edit(account, nil, forget); err != nil {
			return err
		}
		return b.Bucket(accountsBucket).Delete([]byte(account))
	})
}

// Expire implements push.Queue.
func (q *queue) Expire(before time.Time) (count int, err error) {
	for {
		var old []push.Key
		err := q.view(func(tx *bolt.Tx) error {
			c := tx.Bucket(queueBucket).Cursor()
			for key, _ := c.First(); key != nil && len(old) < sweepChunk; key, _ = c.Next() {
				k, err := decodeKey(key)
				if err != nil {
					return err
				}
				if k.Due >= before.UnixNano() {
					return nil
				}
				old = append(old, k)
			}
			return nil
		})
		if err != nil || len(old) == 0 {
			return count, err
		}
		dropped := 0
		err = q.update(func(b *batch) error {
			dropped = 0
			for _, k := range old {
				if due, ok := b.waits(k.Token); !ok || due != k.Due {
					continue // it is being sent
				}
				if err := b.drop(k.Token); err != nil {
					return err
				}
				dropped++
			}
			return nil
		})
		if count += dropped; err != nil || dropped == 0 {
			return count, err
		}
	}
}

// Tidy implements push.Queue: it lets go of the pages of the file that were looked at.
// They stay in the kernel's cache, but no longer count as this process's memory.
func (f *file) Tidy() {
	_ = f.view(func(tx *bolt.Tx) error {
		// The transaction keeps bbolt from mapping the file again meanwhile.
		if size := tx.Size(); size > tidyAbove {
			return unmapPages(f.bolt.Info().Data, size)
		}
		return nil
	})
}
