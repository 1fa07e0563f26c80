package tokens

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
	version, err := readFormat(tx)
	if err == nil && version == 0 {
		return create(tx)
	}
	return err
}

// readFormat returns the version of the database's format, 0 if it has nothing in it. Its
// error says why the database cannot be used.
func readFormat(tx *bolt.Tx) (version uint32, err error) {
	meta := tx.Bucket(metaBucket)
	if meta == nil {
		if name, _ := tx.Cursor().First(); name != nil {
			return 0, ErrForeign
		}
		return 0, nil
	}
	value := meta.Get(formatKey)
	if len(value) != 4 {
		return 0, ErrForeign
	}
	version = binary.BigEndian.Uint32(value)
	switch {
	case version > format:
		return 0, fmt.Errorf("%w (its format is %d, ours %d)", ErrNewer, version, format)
	case version == 0, tx.Bucket(accountsBucket) == nil, tx.Bucket(queueBucket) == nil:
		return 0, ErrDamaged
	}
	return version, nil
}

func create(tx *bolt.Tx) error {
	for _, name := range [][]byte{metaBucket, accountsBucket, queueBucket} {
		if _, err := tx.CreateBucket(name); err != nil {
			return fmt.Errorf("creating bucket %s: %w", name, err)
		}
	}
	return tx.Bucket(metaBucket).Put(formatKey, binary.BigEndian.AppendUint32(nil, format))
}
