// Package pgp checks, without any key, that text is one ASCII-armored OpenPGP
// message that is encrypted and holds nothing else (RFC 9580, sections 6 and
// 10.3). It looks at the form alone: armor, packet headers and the first
// bytes of each packet. Nothing is decrypted, and the bytes in a packet's
// body are counted, not decoded.
//
// It is strict: what it accepts every OpenPGP reader sees in the same way.
package pgp
