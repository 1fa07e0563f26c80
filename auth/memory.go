package auth

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
	"sync"

	"chatmaild/auth/mailaddr"
)

// digestSize is in bytes. A login that was never verified would have to meet one
// of the digests by chance, one try for each request: 128 bits are plenty.
const digestSize = 16

type digest [digestSize]byte

// memory remembers verified logins; doc.go says why that is safe. It has two
// generations: when the young one is full it becomes the old one, whose digests
// are forgotten unless they are seen again meanwhile.
type memory struct {
	key []byte
	max int // digests in each generation

	mu         sync.Mutex
	young, old map[digest]struct{}
}

// newMemory returns a memory of at most n digests.
func newMemory(key []byte, n int) *memory {
	return &memory{key: key, max: (n + 1) / 2, young: map[digest]struct{}{}}
}

func (m *memory) digest(addr mailaddr.Address, stored, password string) (d digest) {
	mac := hmac.New(sha256.New, m.key)
	for _, part := range []string{addr.String(), stored, password} {
		var n [4]byte
		binary.BigEndian.PutUint32(n[:], uint32(len(part)))
		mac.Write(n[:])
		mac.Write([]byte(part))
	}
	var sum [sha256.Size]byte
	copy(d[:], mac.Sum(sum[:0]))
	return d
}

// knows reports whether d was added and is not forgotten.
func (m *memory) knows(d digest) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	if _, ok := m.young[d]; ok {
		return true
	}
	if _, ok := m.old[d]; ok {
		m.insert(d)
		return true
	}
	return false
}

func (m *memory) add(d digest) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.insert(d)
}

func (m *memory) insert(d digest) {
	if len(m.young) >= m.max {
		m.old, m.young = m.young, make(map[digest]struct{}, m.max/8)
	}
	m.young[d] = struct{}{}
}
