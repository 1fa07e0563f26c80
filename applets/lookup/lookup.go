// Package lookup asks one name server one question (RFC 1035), over UDP, and over TCP
// when the answer does not fit; and it asks the machine's resolvers for TXT records.
// Unlike the standard library it knows how long an answer is true, and which failures
// are answers.
//
// The protocol is miekg/dns's. It takes 60 KiB of each process and 4 % of the binary;
// what we had ourselves was 600 lines longer.
package lookup

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"strings"
	"time"

	"github.com/miekg/dns"
)

// Bounds of a question.
const (
	queryTimeout = 3 * time.Second // for one server and one protocol
	resendAfter  = time.Second     // over UDP: question or answer may be lost on the way
	maxEDNS      = 2               // so often over UDP with EDNS
)

// udpSize is what we take over UDP: what passes everywhere without fragments
// (RFC 9715, section 3).
const udpSize = 1232

var errReply = errors.New("the reply does not match the question")

// Ask asks the server at "address:port" for the records of a name, which ends in a dot,
// and returns its reply, which is one to this question. With recursion the server is to
// find out what it does not know.
func Ask(ctx context.Context, server, name string, kind uint16, recursion bool) (*dns.Msg, error) {
	question := new(dns.Msg).SetQuestion(name, kind)
	question.RecursionDesired = recursion
	question.SetEdns0(udpSize, false)
	reply, err := overUDP(ctx, server, question)
	if err == nil && oldServer(reply) {
		question.Extra = nil
		reply, err = overUDP(ctx, server, question)
	}
	if err == nil && reply.Truncated {
		reply, err = exchange(ctx, "tcp", server, question, queryTimeout)
	}
	if err != nil {
		return nil, fmt.Errorf("asking the name server %s: %w", server, err)
	}
	return reply, nil
}

// oldServer reports whether a server says that it does not understand a question with EDNS
// (RFC 6891, section 7).
func oldServer(reply *dns.Msg) bool {
	return reply.Rcode == dns.RcodeFormatError || reply.Rcode == dns.RcodeNotImplemented
}

// overUDP asks again until there is a reply; what has been lost twice may have been
// dropped for its EDNS, and is asked without.
func overUDP(ctx context.Context, server string, question *dns.Msg) (*dns.Msg, error) {
	end := time.Now().Add(queryTimeout)
	for try := 0; ; try++ {
		if try == maxEDNS {
			question.Extra = nil
		}
		reply, err := exchange(ctx, "udp", server, question, min(resendAfter, time.Until(end)))
		lost := errors.Is(err, os.ErrDeadlineExceeded) && ctx.Err() == nil && time.Now().Before(end)
		if !lost {
			return reply, err
		}
	}
}

// exchange asks once, and waits no longer than timeout or ctx. Replies to something else
// are not listened to.
func exchange(ctx context.Context, network, server string, question *dns.Msg, timeout time.Duration) (*dns.Msg, error) {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	nc, err := new(net.Dialer).DialContext(ctx, network, server)
	if err != nil {
		return nil, err
	}
	defer nc.Close()
	if deadline, ok := ctx.Deadline(); ok {
		if err := nc.SetDeadline(deadline); err != nil {
			return nil, err
		}
	}
	// An end of ctx is an end of what waits for the server.
	defer context.AfterFunc(ctx, func() { _ = nc.SetDeadline(time.Unix(1, 0)) })()
	conn := &dns.Conn{Conn: nc, UDPSize: udpSize}
	if err := conn.WriteMsg(question); err != nil {
		return nil, err
	}
	for range maxStrays {
		reply, err := conn.ReadMsg()
		var op net.Error
		switch {
		case errors.As(err, &op), errors.Is(err, net.ErrClosed):
			return nil, err
		case err == nil && answers(reply, question) && (network == "udp" || !reply.Truncated):
			return reply, nil
		case network != "udp":
			return nil, errReply
		}
	}
	return nil, errReply
}

// maxStrays is how many replies to something else are passed over.
const maxStrays = 100

// answers reports whether a reply is one to the question.
func answers(reply, question *dns.Msg) bool {
	if reply.Id != question.Id || !reply.Response {
		return false
	}
	if len(reply.Question) == 0 && oldServer(reply) {
		return true // what was not understood need not be repeated
	}
	if len(reply.Question) != 1 {
		return false
	}
	asked, want := reply.Question[0], question.Question[0]
	return asked.Qtype == want.Qtype && asked.Qclass == want.Qclass && strings.EqualFold(asked.Name, want.Name)
}

// Text is what a TXT record says: its strings, joined and without the escapes of a zone
// file (RFC 1035, section 5.1), in which the library keeps them.
func Text(record *dns.TXT) string {
	var text strings.Builder
	for _, s := range record.Txt {
		for i := 0; i < len(s); i++ {
			switch {
			case s[i] != '\\' || i+1 == len(s):
				text.WriteByte(s[i])
			case i+3 < len(s) && isDigit(s[i+1]) && isDigit(s[i+2]) && isDigit(s[i+3]):
				text.WriteByte((s[i+1]-'0')*100 + (s[i+2]-'0')*10 + s[i+3] - '0')
				i += 3
			default:
				i++
				text.WriteByte(s[i])
			}
		}
	}
	return text.String()
}

func isDigit(c byte) bool { return '0' <= c && c <= '9' }
