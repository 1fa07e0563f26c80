package lab

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"time"

	"golang.org/x/net/dns/dnsmessage"
)

// Numbers of dynamic updates (RFC 2136 §1.3 and §2.2) and of TSIG (RFC 8945 §4.2).
const (
	opUpdate  dnsmessage.OpCode = 5
	classNone dnsmessage.Class  = 254
	typeTSIG  dnsmessage.Type   = 250

	rcodeNotAuth dnsmessage.RCode = 9
	rcodeNotZone dnsmessage.RCode = 10
)

// An updater is whoever has a key by which a part of the zone may be changed.
type updater struct {
	zone   string // with the final dot
	key    string // its name, likewise
	secret []byte
}

// AllowUpdates makes a name the top of a zone whose records whoever has the key
// may change: by messages of RFC 2136, signed as in RFC 8945 with HMAC-SHA-256.
func (z *Zone) AllowUpdates(zone, key string, secret []byte) error {
	name, err := dnsmessage.NewName(canonical(zone))
	if err != nil {
		return err
	}
	z.mu.Lock()
	defer z.mu.Unlock()
	z.names[name.String()] = append(z.names[name.String()], &dnsmessage.SOAResource{NS: name, MBox: name, Serial: 1})
	z.updaters = append(z.updaters, updater{zone: name.String(), key: canonical(key), secret: secret})
	return nil
}

// update does what an update asks, if it may.
func (z *Zone) update(message []byte) dnsmessage.RCode {
	var m dnsmessage.Message
	if err := m.Unpack(message); err != nil || len(m.Questions) != 1 {
		return dnsmessage.RCodeFormatError
	}
	z.mu.Lock()
	defer z.mu.Unlock()
	zone := canonical(m.Questions[0].Name.String())
	i := slices.IndexFunc(z.updaters, func(u updater) bool { return u.zone == zone })
	if i < 0 || z.updaters[i].verify(message, &m) != nil {
		return rcodeNotAuth
	}
	for _, rr := range m.Authorities {
		name := canonical(rr.Header.Name.String())
		if name != zone && !strings.HasSuffix(name, "."+zone) {
			return rcodeNotZone
		}
		if rr.Header.Class == dnsmessage.ClassINET {
			z.names[name] = append(z.names[name], rr.Body)
			continue
		}
		left := slices.DeleteFunc(z.names[name], func(b dnsmessage.ResourceBody) bool {
			return rr.Header.Class == classNone && reflect.DeepEqual(b, rr.Body)
		})
		if z.names[name] = left; len(left) == 0 {
			delete(z.names, name)
		}
	}
	return dnsmessage.RCodeSuccess
}

// tsig is the data of the record that signs a message.
type tsig struct {
	algorithm []byte // name in wire form
	when      []byte // time and fudge: 8 octets
	mac       []byte
	id        []byte // of the message, as the signer sent it
	rest      []byte // error and other data
}

func parseTSIG(data []byte) (s tsig, err error) {
	end := bytes.IndexByte(data, 0) + 1
	if end == 0 || len(data) < end+10 {
		return s, errors.New("a short TSIG record")
	}
	s.algorithm, s.when = data[:end], data[end:end+8]
	size := int(binary.BigEndian.Uint16(data[end+8:]))
	if data = data[end+10:]; len(data) < size+6 {
		return s, errors.New("a short TSIG record")
	}
	s.mac, s.id, s.rest = data[:size], data[size:size+2], data[size+2:]
	return s, nil
}

// verify is RFC 8945 §5.2, for requests.
func (u updater) verify(message []byte, m *dnsmessage.Message) error {
	if len(m.Additionals) == 0 {
		return errors.New("not signed")
	}
	last := m.Additionals[len(m.Additionals)-1]
	body, ok := last.Body.(*dnsmessage.UnknownResource)
	if !ok || last.Header.Type != typeTSIG || canonical(last.Header.Name.String()) != u.key {
		return errors.New("not signed with this key")
	}
	sig, err := parseTSIG(body.Data)
	if err != nil {
		return err
	}
	owner := wireName(u.key)
	const fixed = 10 // octets of a record between its name and its data
	start := len(message) - len(owner) - fixed - len(body.Data)
	if start < 12 || !bytes.HasPrefix(message[start:], owner) {
		return errors.New("the TSIG record is not the last")
	}
	signed := slices.Clone(message[:start])
	copy(signed, sig.id)
	binary.BigEndian.PutUint16(signed[10:], uint16(len(m.Additionals)-1))
	mac := hmac.New(sha256.New, u.secret)
	for _, part := range [][]byte{
		signed, owner, message[start+len(owner)+2 : start+len(owner)+8], // class and TTL
		sig.algorithm, sig.when, sig.rest,
	} {
		mac.Write(part)
	}
	if !hmac.Equal(mac.Sum(nil), sig.mac) {
		return errors.New("signed with another secret")
	}
	at := time.Unix(int64(binary.BigEndian.Uint64(append([]byte{0, 0}, sig.when[:6]...))), 0)
	fudge := time.Duration(binary.BigEndian.Uint16(sig.when[6:])) * time.Second
	if off := time.Since(at).Abs(); off > fudge {
		return fmt.Errorf("signed %v away from now", off)
	}
	return nil
}

// wireName is a name as it stands in a message, not compressed.
func wireName(name string) (wire []byte) {
	for label := range strings.SplitSeq(strings.TrimSuffix(name, "."), ".") {
		wire = append(append(wire, byte(len(label))), label...)
	}
	return append(wire, 0)
}
