package pgp

// Ciphers and modes (RFC 9580, section 9). Of the ciphers with blocks of 16
// bytes, which version 2 of the encrypted data is limited to, programs use AES
// with it.
const (
	cipherAES128 = 7
	cipherAES256 = 9
	modeEAX      = 1
	modeGCM      = 3
	maxChunk     = 16 // greatest chunk size byte
)

// The least sizes of bodies, in bytes: the fixed fields, and of the variable
// ones what cannot be missing.
const (
	minPKESK3 = 1 + 8 + 1 + 1   // version, key ID, algorithm, session key
	minPKESK6 = 1 + 1 + 1 + 1   // version, no fingerprint, algorithm, session key
	minSKESK  = 1 + 1 + 2       // version, cipher, simple S2K
	minSEIPD1 = 1 + 1           // version, data
	minSEIPD2 = 1 + 3 + 32 + 16 // version, algorithms and chunk size, salt, tag
)

// The sizes of a recipient in PKESK version 6: key version and fingerprint.
const (
	recipientV4 = 1 + 20
	recipientV6 = 1 + 32
)

// check judges a packet whose body has passed whole, by its size and its first
// bytes, of which those missing are zero. Algorithms of session keys are not
// looked at: new ones appear, and what they encrypt cannot be told from noise.
func (p *packets) check() error {
	switch {
	case p.tag == tagPKESK && p.isPKESK(), p.tag == tagSKESK && p.isSKESK():
		return nil
	case p.tag == tagSEIPD && p.isSEIPD():
		return nil
	}
	return errBody
}

// isPKESK: RFC 9580, section 5.1.
func (p *packets) isPKESK() bool {
	switch p.first[0] {
	case 3:
		return p.size >= minPKESK3
	case 6:
		// The size of the recipient has to agree with the key version:
		// each reader goes by one of them.
		key, version := p.first[1], p.first[2]
		known := key == 0 || key == recipientV4 && version == 4 || key == recipientV6 && version == 6
		return known && p.size >= minPKESK6+uint64(key)
	}
	return false
}

// isSKESK: RFC 9580, section 5.3. Cipher 0 stands for no encryption.
func (p *packets) isSKESK() bool {
	switch p.first[0] {
	case 4:
		return p.first[1] != 0 && p.size >= minSKESK
	case 6:
		return p.first[2] != 0 && p.size >= minSKESK
	}
	return false
}

// isSEIPD: RFC 9580, section 5.13.
func (p *packets) isSEIPD() bool {
	switch p.first[0] {
	case 1:
		return p.size >= minSEIPD1
	case 2:
		cipher, mode, chunk := p.first[1], p.first[2], p.first[3]
		return cipher >= cipherAES128 && cipher <= cipherAES256 &&
			mode >= modeEAX && mode <= modeGCM && chunk <= maxChunk && p.size >= minSEIPD2
	}
	return false
}
