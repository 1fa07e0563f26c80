package main

import (
	"bytes"
	"encoding/base64"
	"encoding/binary"
	"math/rand/v2"
)

// encryptedMessage makes a message of about size bytes, without From, that is
// encrypted as far as can be seen from outside: one session key for an ECDH key
// and one encrypted-data packet (RFC 9580, sections 5.1 and 5.13) of random
// bytes, in the MIME structure of RFC 3156.
func encryptedMessage(size int) []byte {
	var b bytes.Buffer
	b.WriteString("Subject: [...]\r\nMessage-ID: <bench@bench.test>\r\nMIME-Version: 1.0\r\n" +
		"Content-Type: multipart/encrypted; protocol=\"application/pgp-encrypted\"; boundary=\"bench\"\r\n\r\n" +
		"--bench\r\nContent-Type: application/pgp-encrypted\r\n\r\nVersion: 1\r\n\r\n" +
		"--bench\r\nContent-Type: application/octet-stream\r\n\r\n-----BEGIN PGP MESSAGE-----\r\n\r\n")
	rest := max(size-b.Len()-100, 400)
	packets := make([]byte, rest*48/66) // a line of 66 bytes holds 48
	random := rand.NewChaCha8([32]byte{1})
	_, _ = random.Read(packets)
	const keySize = 1 + 8 + 1 + 2 + 33 + 1 + 48
	key := packets[:2+keySize]
	copy(key, []byte{0xC1, keySize, 3})     // PKESK, version 3, key ID
	copy(key[2+9:], []byte{18, 1, 7, 0x40}) // ECDH; a point of 263 bits
	key[2+keySize-49] = 48                  // the wrapped session key
	data := packets[len(key):]
	data[0], data[1] = 0xD2, 0xFF // SEIPD, with a length of four bytes
	binary.BigEndian.PutUint32(data[2:], uint32(len(data)-6))
	data[6] = 1 // version

	text := base64.StdEncoding.EncodeToString(packets)
	for len(text) > 0 {
		n := min(64, len(text))
		b.WriteString(text[:n] + "\r\n")
		text = text[n:]
	}
	sum := binary.BigEndian.AppendUint32(nil, crc24(packets))
	b.WriteString("=" + base64.StdEncoding.EncodeToString(sum[1:]) + "\r\n-----END PGP MESSAGE-----\r\n\r\n--bench--\r\n")
	return b.Bytes()
}

// crc24 is the armor's checksum (RFC 9580, section 6.1).
func crc24(data []byte) uint32 {
	const start, poly = 0xB704CE, 0x1864CFB
	crc := uint32(start)
	for _, c := range data {
		crc ^= uint32(c) << 16
		for range 8 {
			if crc <<= 1; crc&(1<<24) != 0 {
				crc ^= poly
			}
		}
	}
	return crc
}
