package tokens

import (
	"fmt"
	"os"

	bolt "go.etcd.io/bbolt"

	"chatmaild/push"
)

// inspect looks at a whole database without changing it, and returns the index of its
// queue. Opening it for writing makes bbolt look at each page too, but in a goroutine of
// its own, where a damaged one would end the program without a word of explanation.
//
// Of two entries of one token, which there are if a message came while the first was
// being sent, the later counts; the keys of the others are returned as doubles.
func inspect(path string) (ix *index, doubles [][]byte, err error) {
	db, err := openBolt(path, &bolt.Options{ReadOnly: true})
	if err != nil {
		return nil, nil, err
	}
	defer db.Close()
	ix = newIndex()
	err = guard(func() error {
		return db.View(func(tx *bolt.Tx) error {
			if err := checkSize(tx, path); err != nil {
				return err
			}
			if version, err := readFormat(tx); err != nil || version == 0 {
				return err
			}
			if doubles, err = ix.load(tx.Bucket(queueBucket)); err != nil {
				return err
			}
			seen := 0
			return tx.ForEach(func(_ []byte, b *bolt.Bucket) error {
				return b.ForEach(func(_, _ []byte) error {
					if seen++; seen%tidyEach == 0 {
						return unmapPages(db.Info().Data, tx.Size())
					}
					return nil
				})
			})
		})
	})
	return ix, doubles, err
}

// tidyEach is after how many keys the pages that were seen are let go of.
const tidyEach = 100_000

// checkSize finds a file that was cut off.
func checkSize(tx *bolt.Tx, path string) error {
	info, err := os.Stat(path)
	if err != nil {
		return fmt.Errorf("looking at its size: %w", err)
	}
	if info.Size() < tx.Size() {
		return fmt.Errorf("%w (it has %d bytes, want %d)", ErrDamaged, info.Size(), tx.Size())
	}
	return nil
}

// load fills the index from the queue.
func (ix *index) load(queue *bolt.Bucket) (doubles [][]byte, err error) {
	err = queue.ForEach(func(key, _ []byte) error {
		k, err := decodeKey(key)
		if err != nil {
			return err
		}
		if earlier, ok := ix.waiting[k.Token]; ok {
			doubles = append(doubles, encodeKey(push.Key{Due: earlier, Token: k.Token}))
		}
		ix.waiting[k.Token] = k.Due
		return nil
	})
	return doubles, err
}
