package dns

import (
	"context"
	"encoding/binary"
	"io"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/dns/dnsmessage"
)

// server answers on a loopback port, UDP and TCP.
type server struct {
	t       *testing.T
	answers []dnsmessage.Resource
	rcode   dnsmessage.RCode
	small   bool // nothing fits into UDP
	strays  bool // replies to something else come first
	lose    int  // so many questions over UDP are lost
	port    string
}

func (s *server) start() *server {
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
			if s.lose > 0 {
				s.lose--
				continue
			}
			if s.strays {
				for _, change := range []func(*dnsmessage.Message){
					func(m *dnsmessage.Message) { m.ID++ },
					func(m *dnsmessage.Message) { m.Response = false },
					func(m *dnsmessage.Message) { m.Questions[0].Name = dnsmessage.MustNewName("evil.test.") },
					func(m *dnsmessage.Message) { m.Questions = nil },
				} {
					_, _ = udp.WriteTo(s.reply(buf[:n], false, change), from)
				}
				_, _ = udp.WriteTo([]byte("x"), from)
			}
			_, _ = udp.WriteTo(s.reply(buf[:n], s.small, nil), from)
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
			reply := s.reply(question, false, nil)
			_, _ = c.Write(append(binary.BigEndian.AppendUint16(nil, uint16(len(reply))), reply...))
			c.Close()
		}
	}()
	_, s.port, _ = net.SplitHostPort(tcp.Addr().String())
	return s
}

func (s *server) reply(question []byte, truncated bool, change func(*dnsmessage.Message)) []byte {
	var m dnsmessage.Message
	if err := m.Unpack(question); err != nil {
		return nil
	}
	if !m.RecursionDesired {
		s.t.Error("a resolver was not asked to resolve")
	}
	m.Response, m.Additionals, m.RCode, m.Truncated = true, nil, s.rcode, truncated
	if !truncated {
		m.Answers = slices.Clone(s.answers) // packing writes to them
	}
	if change != nil {
		m.Answers = []dnsmessage.Resource{txt("d.test.", 60, "stray")}
		change(&m)
	}
	out, err := m.Pack()
	if err != nil {
		s.t.Errorf("packing an answer: %v", err)
	}
	return out
}

// system is a System that asks the server at an address, after others.
func (s *server) system(addrs ...string) *System {
	s.t.Helper()
	file := filepath.Join(s.t.TempDir(), "resolv.conf")
	var text strings.Builder
	for _, a := range append(addrs, "127.0.0.1") {
		text.WriteString("nameserver " + a + "\n")
	}
	if err := os.WriteFile(file, []byte(text.String()), 0o600); err != nil {
		s.t.Fatal(err)
	}
	return &System{File: file, Port: s.port}
}

func resource(name string, ttl uint32, body dnsmessage.ResourceBody) dnsmessage.Resource {
	return dnsmessage.Resource{
		Header: dnsmessage.ResourceHeader{Name: dnsmessage.MustNewName(name), Class: dnsmessage.ClassINET, TTL: ttl}, Body: body,
	}
}

func txt(name string, ttl uint32, texts ...string) dnsmessage.Resource {
	return resource(name, ttl, &dnsmessage.TXTResource{TXT: texts})
}

func alias(name string, ttl uint32, to string) dnsmessage.Resource {
	return resource(name, ttl, &dnsmessage.CNAMEResource{CNAME: dnsmessage.MustNewName(to)})
}

func TestTXT(t *testing.T) {
	for _, tt := range []struct {
		name    string
		rcode   dnsmessage.RCode
		answers []dnsmessage.Resource
		want    []string
		ttl     time.Duration
		fails   bool
	}{
		{name: "one", answers: []dnsmessage.Resource{txt("d.test.", 60, "a")}, want: []string{"a"}, ttl: time.Minute},
		{name: "strings are joined", answers: []dnsmessage.Resource{txt("d.test.", 60, "a", "b", "c")}, want: []string{"abc"}, ttl: time.Minute},
		{name: "two", answers: []dnsmessage.Resource{txt("d.test.", 60, "a"), txt("D.Test.", 30, "b")}, want: []string{"a", "b"}, ttl: 30 * time.Second},
		{name: "aliases in any order", want: []string{"a"}, ttl: 5 * time.Second, answers: []dnsmessage.Resource{
			txt("f.test.", 60, "a"), alias("e.test.", 60, "f.test."), alias("d.test.", 5, "e.test.")}},
		{name: "of another name", answers: []dnsmessage.Resource{txt("e.test.", 60, "a")}},
		{name: "of another type", answers: []dnsmessage.Resource{resource("d.test.", 60, &dnsmessage.AResource{})}},
		{name: "an alias of itself", answers: []dnsmessage.Resource{alias("d.test.", 60, "d.test.")}},
		{name: "a loop", answers: []dnsmessage.Resource{alias("d.test.", 60, "e.test."), alias("e.test.", 60, "d.test.")}},
		{name: "no records"},
		{name: "no name", rcode: dnsmessage.RCodeNameError},
		{name: "an alias to no name", rcode: dnsmessage.RCodeNameError, answers: []dnsmessage.Resource{alias("d.test.", 60, "e.test.")}},
		{name: "failure", rcode: dnsmessage.RCodeServerFailure, fails: true},
		{name: "refusal", rcode: dnsmessage.RCodeRefused, fails: true},
	} {
		for _, small := range []bool{false, true} {
			s := (&server{t: t, answers: tt.answers, rcode: tt.rcode, small: small, strays: !small}).start()
			got, err := s.system().TXT(t.Context(), "d.test")
			if !slices.Equal(got.Texts, tt.want) || got.TTL != tt.ttl || (err != nil) != tt.fails {
				t.Errorf("%s (over TCP: %v): got %q for %v, %v; want %q for %v", tt.name, small, got.Texts, got.TTL, err, tt.want, tt.ttl)
			}
		}
	}
}

func TestServers(t *testing.T) {
	const text = "# nameserver 192.0.2.9\nsearch test\nnameserver 192.0.2.1\nnameserver\nnameserver x\n\tnameserver\t2001:db8::1 # y\n" +
		"nameserver fe80::1%eth0\nnameserver 192.0.2.4\n"
	want := []string{"192.0.2.1:53", "[2001:db8::1]:53", "[fe80::1%eth0]:53"}
	if got := parseServers([]byte(text), "53"); !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
	if got := parseServers(nil, "53"); !slices.Equal(got, []string{"127.0.0.1:53"}) {
		t.Errorf("without a server: got %q", got)
	}
}

func TestFaults(t *testing.T) {
	s := (&server{t: t, answers: []dnsmessage.Resource{txt("d.test.", 60, "a")}}).start()
	// Nobody listens at the first address.
	if got, err := s.system("127.0.0.2").TXT(t.Context(), "d.test."); err != nil || len(got.Texts) != 1 {
		t.Errorf("with one of two servers down: got %q, %v", got.Texts, err)
	}
	if got, err := s.system().TXT(t.Context(), strings.Repeat("x.", 200)+"test"); err != nil || got.Texts != nil {
		t.Errorf("a name that is too long to exist: got %q, %v", got.Texts, err)
	}
	if _, err := (&System{File: filepath.Join(t.TempDir(), "none")}).TXT(t.Context(), "d.test"); err == nil {
		t.Error("no error without a resolv.conf")
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := s.system().TXT(ctx, "d.test"); err == nil {
		t.Error("asked although nobody waits")
	}
}

// TestLoss loses a question on the way; it is asked again, in time.
func TestLoss(t *testing.T) {
	s := (&server{t: t, answers: []dnsmessage.Resource{txt("d.test.", 60, "a")}, lose: 1}).start()
	q := dnsmessage.Question{Name: dnsmessage.MustNewName("d.test."), Type: dnsmessage.TypeTXT, Class: dnsmessage.ClassINET}
	if _, err := Ask(t.Context(), net.JoinHostPort("127.0.0.1", s.port), q, true); err != nil {
		t.Error(err)
	}
}

// TestCancel waits for a server that does not answer, until nobody wants to know.
func TestCancel(t *testing.T) {
	udp, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer udp.Close()
	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		buf := make([]byte, 512)
		_, _, _ = udp.ReadFrom(buf)
		cancel()
	}()
	q := dnsmessage.Question{Name: dnsmessage.MustNewName("d.test."), Type: dnsmessage.TypeTXT, Class: dnsmessage.ClassINET}
	if _, err := Ask(ctx, udp.LocalAddr().String(), q, true); err == nil {
		t.Error("an answer out of nothing")
	}
	if ctx.Err() == nil {
		t.Error("gave up before nobody waited")
	}
}

func FuzzTXT(f *testing.F) {
	s := &server{answers: []dnsmessage.Resource{txt("d.test.", 60, "a"), alias("d.test.", 60, "e.test.")}}
	name := dnsmessage.MustNewName("d.test.")
	q := dnsmessage.Question{Name: name, Type: dnsmessage.TypeTXT, Class: dnsmessage.ClassINET}
	question, err := pack(7, q, true)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(s.reply(question, false, nil))
	f.Fuzz(func(t *testing.T, reply []byte) {
		found, err := parseTXT(reply, name)
		if err != nil && found.Texts != nil {
			t.Errorf("texts %q of a reply that is none", found.Texts)
		}
		answers(reply, 7, q)
	})
}
