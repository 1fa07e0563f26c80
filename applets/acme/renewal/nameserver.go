package renewal

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"time"

	"github.com/mholt/acmez/v3"
	"github.com/mholt/acmez/v3/acme"
	"golang.org/x/net/dns/dnsmessage"
)

// Bounds and numbers of dynamic updates.
const (
	updateTimeout = 20 * time.Second
	// settle is how long the zone's other servers may take to hear of a change
	// (RFC 1996): the authority asks any of them.
	settle    = 15 * time.Second
	updateTTL = 60 // seconds, of the challenge's record

	opUpdate  = 5   // RFC 2136 §1.3
	classNone = 254 // RFC 2136 §2.4

	rcodeNotAuth = 9 // RFC 8945 §5.2
)

// NameServer solves DNS-01 challenges (RFC 8555 §8.4) by dynamic updates (RFC
// 2136) that a shared key signs (TSIG, RFC 8945). The server's answer is not
// verified: whoever forges it can only make us ask the authority in vain.
type NameServer struct {
	Address string // host:port
	Key     Key
	Now     func() time.Time

	changed time.Time // when the last record was added; there is one order at a time
}

var (
	_ acmez.Solver = (*NameServer)(nil)
	_ acmez.Waiter = (*NameServer)(nil)
)

// Present adds the challenge's record.
func (s *NameServer) Present(ctx context.Context, c acme.Challenge) error {
	err := s.change(ctx, c, dnsmessage.ClassINET, updateTTL)
	s.changed = s.Now()
	return err
}

// Wait lets the records spread: all of an order's are added before the first wait,
// so that they wait together.
func (s *NameServer) Wait(ctx context.Context, _ acme.Challenge) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(s.changed.Add(settle).Sub(s.Now())):
		return nil
	}
}

// CleanUp removes it again.
func (s *NameServer) CleanUp(ctx context.Context, c acme.Challenge) error {
	return s.change(context.WithoutCancel(ctx), c, classNone, 0)
}

// updateError is a fault of the name server, or of what we were told of it.
type updateError struct{ error }

func (e updateError) Unwrap() error { return e.error }

func (s *NameServer) change(ctx context.Context, c acme.Challenge, class dnsmessage.Class, ttl uint32) error {
	if err := s.update(ctx, c, class, ttl); err != nil {
		return updateError{err}
	}
	return nil
}

func (s *NameServer) update(ctx context.Context, c acme.Challenge, class dnsmessage.Class, ttl uint32) error {
	ctx, cancel := context.WithTimeout(ctx, updateTimeout)
	defer cancel()
	name, err := dnsmessage.NewName(c.DNS01TXTRecordName() + ".")
	if err != nil {
		return fmt.Errorf("updating the name server: %w", err)
	}
	zone, err := s.zone(ctx, name)
	if err != nil {
		return err
	}
	update := dnsmessage.Message{
		Header:    dnsmessage.Header{ID: newID(), OpCode: opUpdate},
		Questions: []dnsmessage.Question{{Name: zone, Type: dnsmessage.TypeSOA, Class: dnsmessage.ClassINET}},
		Authorities: []dnsmessage.Resource{{
			Header: dnsmessage.ResourceHeader{Name: name, Type: dnsmessage.TypeTXT, Class: class, TTL: ttl},
			Body:   &dnsmessage.TXTResource{TXT: []string{c.DNS01KeyAuthorization()}},
		}},
	}
	packed, err := update.Pack()
	if err != nil {
		return fmt.Errorf("updating the name server: %w", err)
	}
	reply, err := s.exchange(ctx, s.Key.sign(packed, s.Now()))
	if err != nil {
		return fmt.Errorf("updating the name server: %w", err)
	}
	switch reply.RCode {
	case dnsmessage.RCodeSuccess:
		return nil
	case rcodeNotAuth:
		return fmt.Errorf("the name server %s refuses to change %s: it does not know the key, or has another time", s.Address, zone)
	case dnsmessage.RCodeRefused:
		return fmt.Errorf("the name server %s refuses to change %s: the key may not do that", s.Address, zone)
	}
	return fmt.Errorf("the name server %s refuses to change %s: %v", s.Address, zone, reply.RCode)
}

// zone asks the server which of its zones the name is in.
func (s *NameServer) zone(ctx context.Context, name dnsmessage.Name) (zone dnsmessage.Name, err error) {
	for labels := name.String(); labels != ""; _, labels, _ = strings.Cut(labels, ".") {
		if zone, err = dnsmessage.NewName(labels); err != nil {
			return zone, err
		}
		query := dnsmessage.Message{
			Header:    dnsmessage.Header{ID: newID()},
			Questions: []dnsmessage.Question{{Name: zone, Type: dnsmessage.TypeSOA, Class: dnsmessage.ClassINET}},
		}
		packed, err := query.Pack()
		if err != nil {
			return zone, err
		}
		reply, err := s.exchange(ctx, packed)
		if err != nil {
			return zone, fmt.Errorf("asking the name server for its zone: %w", err)
		}
		for _, a := range reply.Answers {
			if a.Header.Type == dnsmessage.TypeSOA && strings.EqualFold(a.Header.Name.String(), labels) {
				return zone, nil
			}
		}
	}
	return zone, fmt.Errorf("the name server %s has no zone for %s", s.Address, name)
}

// exchange sends a message by TCP (RFC 1035 §4.2.2) and reads the answer.
func (s *NameServer) exchange(ctx context.Context, message []byte) (reply dnsmessage.Message, err error) {
	var dialer net.Dialer
	conn, err := dialer.DialContext(ctx, "tcp", s.Address)
	if err != nil {
		return reply, err
	}
	defer conn.Close()
	if deadline, ok := ctx.Deadline(); ok {
		conn.SetDeadline(deadline)
	}
	if _, err := conn.Write(append(binary.BigEndian.AppendUint16(nil, uint16(len(message))), message...)); err != nil {
		return reply, err
	}
	var length uint16
	if err := binary.Read(conn, binary.BigEndian, &length); err != nil {
		return reply, err
	}
	answer := make([]byte, length)
	if _, err := io.ReadFull(conn, answer); err != nil {
		return reply, err
	}
	if err := reply.Unpack(answer); err != nil {
		return reply, fmt.Errorf("reading its answer: %w", err)
	}
	if reply.ID != binary.BigEndian.Uint16(message) || !reply.Response {
		return reply, errors.New("its answer is to another question")
	}
	return reply, nil
}

func newID() uint16 {
	var id [2]byte
	rand.Read(id[:])
	return binary.BigEndian.Uint16(id[:])
}
