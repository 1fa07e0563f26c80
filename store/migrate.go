package store

import (
	"encoding/binary"
	"fmt"

	bolt "go.etcd.io/bbolt"
)

// format is the version of the database's format that this program writes.
const format = 1

var formatKey = []byte("format")

// migrate brings the database to the current format: a new one from nothing, an older
// one by the steps that are missing.
func migrate(tx *bolt.Tx) error {
	meta := tx.Bucket(metaBucket)
	if meta == nil {
		if name, _ := tx.Cursor().First(); name != nil {
			return ErrForeign
		}
		return create(tx)
	}
	version := meta.Get(formatKey)
	if len(version) != 4 {
		return ErrForeign
	}
	switch v := binary.BigEndian.Uint32(version); {
	case v > format:
		return fmt.Errorf("%w (its format is %d, ours %d)", ErrNewer, v, format)
	case v == 0:
		return ErrDamaged
	}
	if tx.Bucket(accountsBucket) == nil || tx.Bucket(queueBucket) == nil {
		return ErrDamaged
	}
	return nil
}

func create(tx *bolt.Tx) error {
	for _, name := range [][]byte{metaBucket, accountsBucket, queueBucket} {
		if _, err := tx.CreateBucket(name); err != nil {
			return fmt.Errorf("making bucket %s: %w", name, err)
		}
	}
	return tx.Bucket(metaBucket).Put(formatKey, binary.BigEndian.AppendUint32(nil, format))
}
