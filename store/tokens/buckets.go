package tokens

import (
	"encoding/binary"
	"fmt"
	"time"

	"chatmaild/push"
)

// The buckets; doc.go says what is in them.
var (
	metaBucket     = []byte("meta")
	accountsBucket = []byte("accounts")
	queueBucket    = []byte("queue")
)

const (
	keySize         = 16      // of the queue's keys
	entryHeader     = 9       // bytes of a queue value before the address
	tokenHeader     = 18      // bytes of a token before its text
	maxTries        = 255     // as far as they are counted
	maxAccountBytes = 1 << 10 // of an address; more than RFC 5321 §4.5.3.1 allows
)

func encodeTokens(tokens []push.Token) []byte {
	value := make([]byte, 0, 256)
	for _, t := range tokens {
		value = binary.BigEndian.AppendUint64(value, t.ID)
		value = binary.BigEndian.AppendUint64(value, uint64(t.Seen.Unix()))
		value = binary.BigEndian.AppendUint16(value, uint16(len(t.Text)))
		value = append(value, t.Text...)
	}
	return value
}

func decodeTokens(value []byte) ([]push.Token, error) {
	var tokens []push.Token
	for len(value) > 0 {
		if len(value) < tokenHeader {
			return nil, fmt.Errorf("reading an account's tokens: %w", ErrDamaged)
		}
		t := push.Token{
			ID:   binary.BigEndian.Uint64(value),
			Seen: time.Unix(int64(binary.BigEndian.Uint64(value[8:])), 0),
		}
		size := int(binary.BigEndian.Uint16(value[16:]))
		value = value[tokenHeader:]
		if len(value) < size || push.CheckToken(string(value[:size])) != nil {
			return nil, fmt.Errorf("reading an account's tokens: %w", ErrDamaged)
		}
		t.Text = string(value[:size])
		value = value[size:]
		tokens = append(tokens, t)
	}
	return tokens, nil
}

func encodeKey(k push.Key) []byte {
	b := make([]byte, 0, keySize)
	b = binary.BigEndian.AppendUint64(b, uint64(k.Due))
	return binary.BigEndian.AppendUint64(b, k.Token)
}

func decodeKey(b []byte) (push.Key, error) {
	if len(b) != keySize {
		return push.Key{}, fmt.Errorf("reading the queue: %w", ErrDamaged)
	}
	return push.Key{Due: int64(binary.BigEndian.Uint64(b)), Token: binary.BigEndian.Uint64(b[8:])}, nil
}

// encodeEntry returns the value of e; its key and the token's text are elsewhere.
func encodeEntry(e push.Entry) []byte {
	b := make([]byte, 0, entryHeader+len(e.Account))
	b = binary.BigEndian.AppendUint64(b, uint64(e.First.UnixNano()))
	b = append(b, byte(min(e.Tries, maxTries)))
	return append(b, e.Account...)
}

func decodeEntry(k push.Key, value []byte) (push.Entry, error) {
	if len(value) < entryHeader {
		return push.Entry{}, fmt.Errorf("reading the queue: %w", ErrDamaged)
	}
	return push.Entry{
		Key:     k,
		First:   time.Unix(0, int64(binary.BigEndian.Uint64(value))),
		Tries:   int(value[8]),
		Account: string(value[entryHeader:]),
	}, nil
}
