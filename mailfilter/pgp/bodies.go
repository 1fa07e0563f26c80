package pgp

// The least sizes of bodies, in octets. They are what the fixed fields, the
// shortest variable one and the integrity check take.
const (
	minPKESK3 = 1 + 8 + 1 + 1       // version, key ID, algorithm, session key
	minPKESK6 = 1 + 1 + 1 + 1       // version, no fingerprint, algorithm, session key
	minSKESK4 = 1 + 1 + 2           // version, cipher, simple S2K
	minSKESK6 = 1 + 4 + 2 + 12 + 16 // version, counts and algorithms, S2K, nonce, tag
	minSEIPD1 = 1 + 8 + 2 + 22      // version, a block and its repetition, MDC
	minSEIPD2 = 1 + 3 + 32 + 16     // version, algorithms and chunk size, salt, tag
	maxChunk  = 16                  // greatest chunk size octet
	maxAEAD   = 3                   // EAX, OCB, GCM
	lenKeyV4  = 1 + 20              // key version and fingerprint
	lenKeyV6  = 1 + 32
)

// body judges a packet whose body has passed whole, by its first octets and
// its size. Public-key algorithms are not looked at, nor are ciphers beyond
// the one that means "none": new ones appear, and knowing them proves nothing
// about octets that cannot be decrypted here.
func (p *packets) body() error {
	if p.seen < probe {
		return errShort
	}
	least, err := uint64(0), error(nil)
	switch p.tag {
	case tagPKESK:
		least, err = p.pkesk()
	case tagSKESK:
		least, err = p.skesk()
	default:
		least, err = p.seipd()
	}
	if err == nil && p.size < least {
		return errShort
	}
	return err
}

// pkesk: RFC 9580, section 5.1.
func (p *packets) pkesk() (least uint64, err error) {
	switch p.first[0] {
	case 3:
		return minPKESK3, nil
	case 6:
		switch key := p.first[1]; key {
		case 0, lenKeyV4, lenKeyV6:
			return minPKESK6 + uint64(key), nil
		}
		return 0, errRecipient
	}
	return 0, errVersion
}

// skesk: RFC 9580, section 5.3.
func (p *packets) skesk() (least uint64, err error) {
	switch p.first[0] {
	case 4:
		if p.first[1] == 0 {
			return 0, errPlain
		}
		return minSKESK4, nil
	case 6:
		if p.first[2] == 0 || p.first[3] == 0 || p.first[3] > maxAEAD {
			return 0, errPlain
		}
		return minSKESK6, nil
	}
	return 0, errVersion
}

// seipd: RFC 9580, section 5.13.
func (p *packets) seipd() (least uint64, err error) {
	switch p.first[0] {
	case 1:
		return minSEIPD1, nil
	case 2:
		if p.first[1] == 0 || p.first[2] == 0 || p.first[2] > maxAEAD || p.first[3] > maxChunk {
			return 0, errPlain
		}
		return minSEIPD2, nil
	}
	return 0, errVersion
}
