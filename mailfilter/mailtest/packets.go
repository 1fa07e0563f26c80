package mailtest

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"io"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/ProtonMail/go-crypto/openpgp"
	"github.com/ProtonMail/go-crypto/openpgp/packet"
)

// pkt is an OpenPGP packet without its header.
type pkt struct {
	tag  byte
	body []byte
}

// samples are packets of real messages, the same in each run.
type Samples struct {
	t testing.TB

	pkesk3, skesk4, seipd1 pkt // SEIPD version 1 and what goes with it
	pkesk6, skesk6, seipd2 pkt
	literal, compressed    pkt
	signed                 []pkt // one-pass signature, literal, signature
	sed                    pkt
	marker, padding        pkt
	aead                   pkt // tag 20, which GnuPG 2.3 writes
}

const Text = "Meet me at the old mill.\r\n"

// newSamples makes the samples from a fixed seed.
func NewSamples(t testing.TB) Samples {
	t.Helper()
	config := func(v6 bool) *packet.Config {
		c := &packet.Config{
			Rand:      rand.NewChaCha8(sha256.Sum256([]byte("chatmaild fixtures"))),
			Time:      func() time.Time { return time.Unix(1_700_000_000, 0) },
			Algorithm: packet.PubKeyAlgoEdDSA,
		}
		if v6 {
			c.V6Keys, c.Algorithm, c.AEADConfig = true, packet.PubKeyAlgoEd25519, &packet.AEADConfig{}
		}
		return c
	}
	entity := func(c *packet.Config) *openpgp.Entity {
		e, err := openpgp.NewEntity("", "", "bob@chat.example", c)
		if err != nil {
			t.Fatal(err)
		}
		return e
	}
	public := func(v6 bool) []pkt {
		c := config(v6)
		e := entity(c)
		return written(t, func(w io.Writer) (io.WriteCloser, error) {
			return openpgp.Encrypt(w, []*openpgp.Entity{e}, nil, nil, c)
		})
	}
	symmetric := func(v6 bool) []pkt {
		return written(t, func(w io.Writer) (io.WriteCloser, error) {
			return openpgp.SymmetricallyEncrypt(w, []byte("passphrase"), nil, config(v6))
		})
	}
	c := config(false)
	e := entity(c)
	v1, v2 := public(false), public(true)
	return Samples{
		t:      t,
		pkesk3: v1[0], seipd1: v1[1], skesk4: symmetric(false)[0],
		pkesk6: v2[0], seipd2: v2[1], skesk6: symmetric(true)[0],
		signed: written(t, func(w io.Writer) (io.WriteCloser, error) {
			return openpgp.Sign(w, e, nil, c)
		}),
		literal:    pkt{11, []byte("b\x00\x00\x00\x00\x00" + Text)},
		compressed: pkt{8, append([]byte{0}, newFormat(pkt{11, []byte("b\x00\x00\x00\x00\x00" + Text)})...)},
		sed:        pkt{9, v1[1].body[1:]},
		marker:     pkt{10, []byte("PGP")},
		padding:    pkt{21, v1[1].body[1:17]},
		aead:       pkt{20, append([]byte{1, 9, 2, 16}, v2[1].body[4:]...)},
	}
}

// written returns the packets that encrypting fixtureText writes.
func written(t testing.TB, begin func(io.Writer) (io.WriteCloser, error)) (pkts []pkt) {
	t.Helper()
	var b bytes.Buffer
	w, err := begin(&b)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.WriteString(w, strings.Repeat(Text, 40)); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	r := packet.NewOpaqueReader(&b)
	for {
		p, err := r.Next()
		if err == io.EOF {
			return pkts
		}
		if err != nil {
			t.Fatal(err)
		}
		pkts = append(pkts, pkt{p.Tag, p.Contents})
	}
}

// newFormat writes a packet with a new-format header and the shortest length.
func newFormat(p pkt) []byte {
	out := []byte{0xc0 | p.tag}
	return append(append(out, newLength(len(p.body))...), p.body...)
}

func newLength(n int) []byte {
	switch {
	case n < 192:
		return []byte{byte(n)}
	case n < 8384:
		return []byte{byte((n-192)>>8 + 192), byte(n - 192)}
	}
	return longLength(n)
}

func longLength(n int) []byte { return binary.BigEndian.AppendUint32([]byte{255}, uint32(n)) }

// oldFormat writes a packet with an old-format header, whose length has 1, 2 or
// 4 bytes for kinds 0 to 2, and is left out for kind 3.
func oldFormat(p pkt, kind byte) []byte {
	out := []byte{0x80 | p.tag<<2 | kind}
	n := binary.BigEndian.AppendUint32(nil, uint32(len(p.body)))
	return append(append(out, n[[]int{3, 2, 0, 4}[kind]:]...), p.body...)
}

// partial writes a packet whose body comes in parts of 1<<shift bytes, and the
// rest with a definite length.
func partial(p pkt, shifts ...byte) []byte {
	out, body := []byte{0xc0 | p.tag}, p.body
	for _, s := range shifts {
		out = append(append(out, 224+s), body[:1<<s]...)
		body = body[1<<s:]
	}
	return append(append(out, newLength(len(body))...), body...)
}

// sequence writes packets with new-format headers.
func sequence(pkts ...pkt) (out []byte) {
	for _, p := range pkts {
		out = append(out, newFormat(p)...)
	}
	return out
}

// armor writes bytes as a message in lines of 64, with checksum.
func armor(data []byte) string {
	var b strings.Builder
	b.WriteString("-----BEGIN PGP MESSAGE-----\r\n\r\n")
	text := base64.StdEncoding.EncodeToString(data)
	for len(text) > 64 {
		b.WriteString(text[:64] + "\r\n")
		text = text[64:]
	}
	b.WriteString(text + "\r\n")
	sum := crc24(data)
	b.WriteString("=" + base64.StdEncoding.EncodeToString([]byte{byte(sum >> 16), byte(sum >> 8), byte(sum)}) + "\r\n")
	b.WriteString("-----END PGP MESSAGE-----\r\n")
	return b.String()
}

// crc24 is the checksum of RFC 9580, section 6.1.1.
func crc24(data []byte) uint32 {
	crc := uint32(0xb704ce)
	for _, c := range data {
		crc ^= uint32(c) << 16
		for range 8 {
			crc <<= 1
			if crc&0x1000000 != 0 {
				crc ^= 0x1864cfb
			}
		}
	}
	return crc & 0xffffff
}
