package resolver

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"time"

	"golang.org/x/net/dns/dnsmessage"

	"chatmaild/applets/admin/zone"
)

// udpSize is what we take over UDP: what passes everywhere without fragments
// (RFC 9715 §3).
const udpSize = 1232

// exchange asks one server, over UDP first.
func exchange(ctx context.Context, server, name string, t zone.Type) (answer, error) {
	id := uint16(rand.Uint32())
	question, err := query(id, name, t)
	if err != nil {
		return answer{}, err
	}
	reply, err := overUDP(ctx, server, id, question)
	if err != nil {
		return answer{}, err
	}
	a, truncated, err := parse(reply, id, t)
	if !truncated || err != nil {
		return a, err
	}
	if reply, err = overTCP(ctx, server, question); err != nil {
		return answer{}, err
	}
	a, _, err = parse(reply, id, t)
	return a, err
}

// query makes the question, without asking for recursion: the server is to say
// what it knows itself.
func query(id uint16, name string, t zone.Type) ([]byte, error) {
	n, err := dnsmessage.NewName(name)
	if err != nil {
		return nil, fmt.Errorf("%q is no DNS name: %w", name, err)
	}
	code, ok := codes[t]
	if !ok {
		return nil, fmt.Errorf("record type %s is not known here", t)
	}
	b := dnsmessage.NewBuilder(nil, dnsmessage.Header{ID: id})
	var edns dnsmessage.ResourceHeader
	err = errors.Join(
		edns.SetEDNS0(udpSize, dnsmessage.RCodeSuccess, false),
		b.StartQuestions(),
		b.Question(dnsmessage.Question{Name: n, Type: code, Class: dnsmessage.ClassINET}),
		b.StartAdditionals(),
		b.OPTResource(edns, dnsmessage.OPTResource{}),
	)
	if err != nil {
		return nil, fmt.Errorf("making a DNS question: %w", err)
	}
	return b.Finish()
}

func dial(ctx context.Context, network, server string) (net.Conn, error) {
	var d net.Dialer
	conn, err := d.DialContext(ctx, network, server)
	if err != nil {
		return nil, err
	}
	if err := conn.SetDeadline(time.Now().Add(queryTimeout)); err != nil {
		conn.Close()
		return nil, err
	}
	return conn, nil
}

// overUDP returns the first reply with our id; others are strays.
func overUDP(ctx context.Context, server string, id uint16, question []byte) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, queryTimeout)
	defer cancel()
	conn, err := dial(ctx, "udp", server)
	if err != nil {
		return nil, err
	}
	defer conn.Close()
	if _, err := conn.Write(question); err != nil {
		return nil, err
	}
	buf := make([]byte, maxAnswer)
	for {
		n, err := conn.Read(buf)
		if err != nil {
			return nil, err
		}
		if n >= 2 && binary.BigEndian.Uint16(buf) == id {
			return buf[:n], nil
		}
	}
}

// overTCP puts the length in front (RFC 1035 §4.2.2).
func overTCP(ctx context.Context, server string, question []byte) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, queryTimeout)
	defer cancel()
	conn, err := dial(ctx, "tcp", server)
	if err != nil {
		return nil, err
	}
	defer conn.Close()
	framed := binary.BigEndian.AppendUint16(nil, uint16(len(question)))
	if _, err := conn.Write(append(framed, question...)); err != nil {
		return nil, err
	}
	var length [2]byte
	if _, err := io.ReadFull(conn, length[:]); err != nil {
		return nil, err
	}
	reply := make([]byte, binary.BigEndian.Uint16(length[:]))
	_, err = io.ReadFull(conn, reply)
	return reply, err
}
