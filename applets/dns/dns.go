// Package dns asks one name server one question (RFC 1035), over UDP, and over
// TCP when the answer does not fit; and it asks the machine's resolvers for TXT
// records. Unlike the standard library it knows how long an answer is true, and
// which failures are answers.
package dns

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"strings"
	"time"

	"golang.org/x/net/dns/dnsmessage"
)

// Bounds of a question.
const (
	queryTimeout = 3 * time.Second // for one server and one protocol
	resendAfter  = time.Second     // over UDP: question or answer may be lost on the way
	maxReply     = 1 << 16         // octets; over TCP it cannot be larger (RFC 1035, section 4.2.2)
	maxStrays    = 100             // replies to something else
)

// udpSize is what we take over UDP: what passes everywhere without fragments
// (RFC 9715, section 3).
const udpSize = 1232

var errReply = errors.New("the reply is not one to the question")

// Ask asks the server at "address:port" and returns its reply, which is one to
// this question. With recursion the server shall find out what it does not know.
func Ask(ctx context.Context, server string, q dnsmessage.Question, recursion bool) ([]byte, error) {
	id := uint16(rand.Uint32())
	question, err := pack(id, q, recursion)
	if err != nil {
		return nil, fmt.Errorf("making a DNS question: %w", err)
	}
	reply, truncated, err := overUDP(ctx, server, id, q, question)
	if err == nil && truncated {
		reply, err = overTCP(ctx, server, id, q, question)
	}
	if err != nil {
		return nil, err
	}
	return reply, nil
}

func pack(id uint16, q dnsmessage.Question, recursion bool) ([]byte, error) {
	b := dnsmessage.NewBuilder(nil, dnsmessage.Header{ID: id, RecursionDesired: recursion})
	var edns dnsmessage.ResourceHeader
	err := errors.Join(
		edns.SetEDNS0(udpSize, dnsmessage.RCodeSuccess, false),
		b.StartQuestions(),
		b.Question(q),
		b.StartAdditionals(),
		b.OPTResource(edns, dnsmessage.OPTResource{}),
	)
	if err != nil {
		return nil, err
	}
	return b.Finish()
}

// answers reports whether a reply is one to the question, and truncated.
func answers(reply []byte, id uint16, q dnsmessage.Question) (ok, truncated bool) {
	var p dnsmessage.Parser
	h, err := p.Start(reply)
	if err != nil || h.ID != id || !h.Response {
		return false, false
	}
	asked, err := p.Question()
	ok = err == nil && asked.Type == q.Type && asked.Class == q.Class &&
		strings.EqualFold(asked.Name.String(), q.Name.String())
	return ok, h.Truncated
}

func dial(ctx context.Context, network, server string) (net.Conn, error) {
	var d net.Dialer
	conn, err := d.DialContext(ctx, network, server)
	if err != nil {
		return nil, err
	}
	// An end of ctx is an end of what waits for the server.
	context.AfterFunc(ctx, func() { _ = conn.SetDeadline(time.Unix(1, 0)) })
	return conn, nil
}

// overUDP returns the first reply to the question; others are strays. It asks again
// until there is one.
func overUDP(ctx context.Context, server string, id uint16, q dnsmessage.Question, question []byte) ([]byte, bool, error) {
	ctx, cancel := context.WithTimeout(ctx, queryTimeout)
	defer cancel()
	conn, err := dial(ctx, "udp", server)
	if err != nil {
		return nil, false, err
	}
	defer conn.Close()
	buf := make([]byte, udpSize)
	for {
		if _, err := conn.Write(question); err != nil {
			return nil, false, err
		}
		reply, truncated, err := firstReply(ctx, conn, id, q, buf)
		if lost := errors.Is(err, os.ErrDeadlineExceeded) && ctx.Err() == nil; !lost {
			return reply, truncated, err
		}
	}
}

// firstReply waits for the reply until it is time to ask again.
func firstReply(ctx context.Context, conn net.Conn, id uint16, q dnsmessage.Question, buf []byte) ([]byte, bool, error) {
	if err := conn.SetReadDeadline(time.Now().Add(resendAfter)); err != nil {
		return nil, false, err
	}
	if err := ctx.Err(); err != nil { // its end may have set the deadline before us
		return nil, false, err
	}
	for range maxStrays {
		n, err := conn.Read(buf)
		if err != nil {
			return nil, false, err
		}
		if ok, truncated := answers(buf[:n], id, q); ok {
			return buf[:n], truncated, nil
		}
	}
	return nil, false, errReply
}

// overTCP puts the length in front (RFC 1035, section 4.2.2).
func overTCP(ctx context.Context, server string, id uint16, q dnsmessage.Question, question []byte) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, queryTimeout)
	defer cancel()
	conn, err := dial(ctx, "tcp", server)
	if err != nil {
		return nil, err
	}
	defer conn.Close()
	framed := binary.BigEndian.AppendUint16(make([]byte, 0, 2+len(question)), uint16(len(question)))
	if _, err := conn.Write(append(framed, question...)); err != nil {
		return nil, err
	}
	var length [2]byte
	if _, err := io.ReadFull(conn, length[:]); err != nil {
		return nil, err
	}
	reply := make([]byte, binary.BigEndian.Uint16(length[:]))
	if _, err := io.ReadFull(conn, reply); err != nil {
		return nil, err
	}
	if ok, truncated := answers(reply, id, q); !ok || truncated {
		return nil, errReply
	}
	return reply, nil
}
