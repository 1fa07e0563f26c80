package maildir

import "bytes"

// Name is what the file name of a message tells:
//
//	TIME.UNIQUE.HOST,S=SIZE,W=VSIZE:2,FLAGS
//
// TIME is the second in which the server took the message, from maildir(5). SIZE
// is the length of the plain message, whatever compression does to the file; it
// is Maildir++'s. A program that can write to the directory can write anything into a name,
// so that each part is optional, and none is trusted further than its syntax.
type Name struct {
	Time int64 // seconds since 1970; 0 if the name has none
	Size int64 // bytes; -1 if the name has none
}

// ParseName reads a file name of any bytes. It keeps no reference to name.
func ParseName(name []byte) Name {
	n := Name{Size: -1}
	if t, rest, ok := number(name); ok && len(rest) > 0 && rest[0] == '.' {
		n.Time = t
	}
	// Dovecot too takes the first ",S=", and falls back to the file's size if
	// what follows is not a number.
	if _, after, ok := bytes.Cut(name, []byte(",S=")); ok {
		size, rest, ok := number(after)
		if ok && (len(rest) == 0 || rest[0] == ',' || rest[0] == ':') {
			n.Size = size
		}
	}
	return n
}

// maxDigits keeps a number below 2^63.
const maxDigits = 18

func number(b []byte) (n int64, rest []byte, ok bool) {
	i := 0
	for i < len(b) && '0' <= b[i] && b[i] <= '9' {
		if i == maxDigits {
			return 0, nil, false
		}
		n = n*10 + int64(b[i]-'0')
		i++
	}
	return n, b[i:], i > 0
}
