package pgp

import "math/bits"

// Ciphers and modes (RFC 9580, section 9). Of the ciphers with blocks of 16
// octets, which versions 6 and 2 are limited to, programs use AES with those.
const (
	cipherAES128 = 7
	cipherAES256 = 9
	maxCipher    = 13
	modeEAX      = 1
	modeGCM      = 3
	maxChunk     = 16 // greatest chunk size octet
	tagSize      = 16 // authentication tag
)

// The least sizes of encrypted data, in octets.
const (
	minSEIPD1 = 1 + 8 + 2 + 22  // version, a block and its repetition, MDC
	minSEIPD2 = 1 + 3 + 32 + 16 // version, algorithms and chunk size, salt, tag
)

// fixedFields is how many octets precede the size of the encrypted session key
// for the public-key algorithms that have no variable field before it: X25519
// and X448 (RFC 9580, section 5.1), and both combined with ML-KEM
// (draft-ietf-openpgp-pqc).
func fixedFields(algorithm byte) int {
	switch algorithm {
	case 25:
		return 32
	case 26:
		return 56
	case 35:
		return 32 + 1088
	case 36:
		return 56 + 1568
	}
	return 0
}

// fields takes a packet's body apart. Once something is missing, ok is false
// and everything further is empty.
type fields struct {
	rest []byte
	ok   bool
}

func (f *fields) take(n int) []byte {
	if n > len(f.rest) {
		f.rest, f.ok = nil, false
		return nil
	}
	taken := f.rest[:n]
	f.rest = f.rest[n:]
	return taken
}

func (f *fields) octet() byte {
	if o := f.take(1); f.ok {
		return o[0]
	}
	return 0
}

// sized takes a field that begins with its size in one octet.
func (f *fields) sized() []byte { return f.take(int(f.octet())) }

// secret takes an encrypted session key that begins with its size in one octet.
func (f *fields) secret() {
	// Sizes of 0 and 255 are reserved where they come from (RFC 9580,
	// section 9.2).
	if n := len(f.sized()); n == 0 || n == 255 {
		f.ok = false
	}
}

// mpi takes a number that begins with its size in bits in two octets (RFC
// 9580, section 3.2).
func (f *fields) mpi() { f.take((int(f.octet())<<8 + int(f.octet()) + 7) / 8) }

// end says whether all was there, and no more.
func (f *fields) end() bool { return f.ok && len(f.rest) == 0 }

// checkPKESK: RFC 9580, section 5.1. An algorithm that it does not know is let
// through: new ones appear.
func checkPKESK(body []byte) error {
	f := fields{body, true}
	switch f.octet() {
	case 3:
		f.take(8)
	case 6:
		// The recipient's key version and fingerprint, or nothing. The size
		// has to agree with the version: each reader goes by one of them.
		key := f.sized()
		switch {
		case len(key) == 0:
		case len(key) == 1+20 && key[0] == 4, len(key) == 1+32 && key[0] == 6:
		default:
			return errSessionKey
		}
	default:
		return errSessionKey
	}
	switch algorithm := f.octet(); algorithm {
	case 0:
		return errSessionKey
	case 1, 2: // RSA
		f.mpi()
	case 16: // Elgamal
		f.mpi()
		f.mpi()
	case 18: // ECDH
		f.mpi()
		f.secret()
	default:
		n := fixedFields(algorithm)
		if n == 0 {
			f.take(len(f.rest))
			break
		}
		f.take(n)
		f.secret()
	}
	if !f.end() {
		return errSessionKey
	}
	return nil
}

// checkSKESK: RFC 9580, section 5.3.
func checkSKESK(body []byte) error {
	f := fields{body, true}
	version := f.octet()
	switch version {
	case 4:
		cipher := f.octet()
		if cipher == 0 || cipher > maxCipher || !f.s2k() {
			return errSessionKey
		}
		// The passphrase may be the key, or encrypt one.
		if len(f.rest) > 1+32 {
			return errSessionKey
		}
		return nil
	case 6:
		params := fields{f.sized(), true}
		cipher, mode := params.octet(), params.octet()
		s2k := fields{params.sized(), true}
		if !s2k.s2k() || !s2k.end() || !isAES(cipher) || mode < modeEAX || mode > modeGCM {
			return errSessionKey
		}
		params.take(nonceSize(mode))
		if !params.end() || len(f.rest) < 16+tagSize || len(f.rest) > 32+tagSize {
			return errSessionKey
		}
		return nil
	}
	return errSessionKey
}

// s2k takes the way from a passphrase to a key (RFC 9580, section 3.7.1).
func (f *fields) s2k() bool {
	switch f.octet() {
	case 0:
		f.take(1)
	case 1:
		f.take(1 + 8)
	case 3:
		f.take(1 + 8 + 1)
	case 4:
		f.take(16)
		passes, lanes, memory := f.octet(), f.octet(), f.octet()
		return f.ok && passes > 0 && lanes > 0 && memory <= 31 &&
			int(memory) >= 3+bits.Len8(lanes-1)
	default:
		return false
	}
	return f.ok
}

func isAES(cipher byte) bool { return cipher >= cipherAES128 && cipher <= cipherAES256 }

// nonceSize is that of EAX, OCB and GCM (RFC 9580, section 9.6).
func nonceSize(mode byte) int { return [...]int{0, 16, 15, 12}[mode] }

// checkSEIPD: RFC 9580, section 5.13. prefix is what was looked at of size
// octets.
func checkSEIPD(prefix []byte, size uint64) error {
	f := fields{prefix, true}
	switch f.octet() {
	case 1:
		if size >= minSEIPD1 {
			return nil
		}
	case 2:
		cipher, mode, chunk := f.octet(), f.octet(), f.octet()
		if isAES(cipher) && mode >= modeEAX && mode <= modeGCM && chunk <= maxChunk && size >= minSEIPD2 {
			return nil
		}
	}
	return errData
}
