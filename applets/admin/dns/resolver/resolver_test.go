package resolver

import (
	"context"
	"encoding/binary"
	"io"
	"net"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/dns/dnsmessage"

	"chatmaild/applets/admin/dns/zone"
)

// nameServer answers for the zone "d.test." on a loopback port, UDP and TCP.
type nameServer struct {
	t       *testing.T
	answers map[string][]dnsmessage.Resource // name and type → records
	rcode   dnsmessage.RCode                 // if not success, of every answer
	small   bool                             // nothing fits into UDP
}

func (s *nameServer) start() (port string) {
	s.t.Helper()
	tcp, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		s.t.Fatal(err)
	}
	udp, err := net.ListenPacket("udp", tcp.Addr().String())
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() { tcp.Close(); udp.Close() })
	go func() {
		buf := make([]byte, 4096)
		for {
			n, from, err := udp.ReadFrom(buf)
			if err != nil {
				return
			}
			_, _ = udp.WriteTo(s.reply(buf[:n], s.small), from)
		}
	}()
	go func() {
		for {
			c, err := tcp.Accept()
			if err != nil {
				return
			}
			var length [2]byte
			_, _ = io.ReadFull(c, length[:])
			question := make([]byte, binary.BigEndian.Uint16(length[:]))
			_, _ = io.ReadFull(c, question)
			reply := s.reply(question, false)
			_, _ = c.Write(append(binary.BigEndian.AppendUint16(nil, uint16(len(reply))), reply...))
			c.Close()
		}
	}()
	_, port, _ = net.SplitHostPort(tcp.Addr().String())
	return port
}

func (s *nameServer) reply(question []byte, truncated bool) []byte {
	var m dnsmessage.Message
	if err := m.Unpack(question); err != nil {
		return nil
	}
	m.Response, m.Authoritative, m.Additionals, m.RCode = true, true, nil, s.rcode
	q := m.Questions[0]
	switch answers, ok := s.answers[q.Name.String()+" "+q.Type.String()]; {
	case truncated:
		m.Truncated = true
	case ok:
		m.Answers = answers
	case s.rcode == dnsmessage.RCodeSuccess:
		m.RCode = dnsmessage.RCodeNameError
	}
	out, err := m.Pack()
	if err != nil {
		s.t.Errorf("packing an answer: %v", err)
	}
	return out
}

func record(name string, t dnsmessage.Type, body dnsmessage.ResourceBody) dnsmessage.Resource {
	return dnsmessage.Resource{
		Header: dnsmessage.ResourceHeader{Name: dnsmessage.MustNewName(name), Type: t, Class: dnsmessage.ClassINET, TTL: 60},
		Body:   body,
	}
}

// resolver returns one for which s is responsible for every name below test.
func (s *nameServer) resolver() *Resolver {
	port := s.start()
	return &Resolver{Port: port, servers: map[string][]string{"test": {"127.0.0.1:" + port}}}
}

func zoneAnswers() map[string][]dnsmessage.Resource {
	name := dnsmessage.MustNewName
	long := strings.Repeat("x", 255)
	return map[string][]dnsmessage.Resource{
		"d.test. TypeA":   {record("d.test.", dnsmessage.TypeA, &dnsmessage.AResource{A: [4]byte{192, 0, 2, 7}})},
		"d.test. TypeMX":  {record("d.test.", dnsmessage.TypeMX, &dnsmessage.MXResource{Pref: 10, MX: name("d.test.")})},
		"d.test. TypeTXT": {record("d.test.", dnsmessage.TypeTXT, &dnsmessage.TXTResource{TXT: []string{long, "yz"}})},
		"d.test. 257":     {record("d.test.", typeCAA, &dnsmessage.UnknownResource{Type: typeCAA, Data: []byte("\x00\x05issueca.example")})},
		"_i._tcp.d.test. TypeSRV": {
			record("_i._tcp.d.test.", dnsmessage.TypeSRV, &dnsmessage.SRVResource{Priority: 0, Weight: 1, Port: 993, Target: name("d.test.")}),
		},
		"www.d.test. TypeCNAME": {record("www.d.test.", dnsmessage.TypeCNAME, &dnsmessage.CNAMEResource{CNAME: name("d.test.")})},
		// An alias, as a server has it that does not know the other name.
		"www.d.test. TypeA":  {record("www.d.test.", dnsmessage.TypeCNAME, &dnsmessage.CNAMEResource{CNAME: name("d.test.")})},
		"loop.d.test. TypeA": {record("loop.d.test.", dnsmessage.TypeCNAME, &dnsmessage.CNAMEResource{CNAME: name("loop.d.test.")})},
	}
}

func TestValues(t *testing.T) {
	tests := []struct {
		name string
		t    zone.Type
		want []string
	}{
		{"d.test.", zone.A, []string{"192.0.2.7"}},
		{"d.test.", zone.MX, []string{"10 d.test."}},
		{"d.test.", zone.TXT, []string{strings.Repeat("x", 255) + "yz"}},
		{"d.test.", zone.CAA, []string{`0 issue "ca.example"`}},
		{"_i._tcp.d.test.", zone.SRV, []string{"0 1 993 d.test."}},
		{"www.d.test.", zone.CNAME, []string{"d.test."}},
		{"www.d.test.", zone.A, []string{"192.0.2.7"}},
		{"nothing.d.test.", zone.A, nil},
	}
	for _, small := range []bool{false, true} {
		s := &nameServer{t: t, answers: zoneAnswers(), small: small}
		r := s.resolver()
		for _, tt := range tests {
			got, err := r.Values(t.Context(), tt.name, tt.t)
			if err != nil || !slices.Equal(got, tt.want) {
				t.Errorf("%s %s (truncated: %v): got %q, %v, want %q", tt.name, tt.t, small, got, err, tt.want)
			}
		}
		if _, ttl, err := r.TXT(t.Context(), "d.test."); err != nil || ttl != time.Minute {
			t.Errorf("TXT: true for %v, want a minute; %v", ttl, err)
		}
	}
}

func TestFaults(t *testing.T) {
	s := &nameServer{t: t, rcode: dnsmessage.RCodeServerFailure}
	if got, err := s.resolver().Values(t.Context(), "d.test.", zone.A); err == nil || !strings.Contains(err.Error(), "ServerFailure") {
		t.Errorf("a failing server: got %q, %v", got, err)
	}
	s = &nameServer{t: t, answers: zoneAnswers()}
	r := s.resolver()
	if _, err := r.Values(t.Context(), "loop.d.test.", zone.A); err == nil || !strings.Contains(err.Error(), "alias") {
		t.Errorf("a loop of aliases: %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := r.Values(ctx, "d.test.", zone.A); err == nil {
		t.Error("asked although the context was done")
	}
	// The first server is down; the second answers.
	r.servers["test"] = append([]string{"127.0.0.1:1"}, r.servers["test"]...)
	if got, err := r.Values(t.Context(), "d.test.", zone.A); err != nil || len(got) != 1 {
		t.Errorf("with one of two servers down: %q, %v", got, err)
	}
}

func FuzzParse(f *testing.F) {
	s := &nameServer{answers: zoneAnswers()}
	for _, t := range []zone.Type{zone.A, zone.MX, zone.TXT, zone.CAA, zone.SRV, zone.CNAME} {
		name := "d.test."
		q, err := question(name, t)
		if err != nil {
			f.Fatal(err)
		}
		asked, err := (&dnsmessage.Message{Questions: []dnsmessage.Question{q}}).Pack()
		if err != nil {
			f.Fatal(err)
		}
		f.Add(s.reply(asked, false), string(t))
	}
	f.Fuzz(func(t *testing.T, reply []byte, kind string) {
		a, err := parse(reply, zone.Type(kind))
		if err != nil && len(a.values) > 0 {
			t.Errorf("values %q of an answer that is none", a.values)
		}
	})
}
