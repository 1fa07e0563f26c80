package lookup

import (
	"context"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/miekg/dns"

	"chatmaild/testdata/kit/nameserver"
)

// server answers on a loopback port, UDP and TCP.
type server struct {
	t       *testing.T
	answers []dns.RR
	rcode   int
	small   bool         // nothing fits into UDP
	strays  bool         // replies to something else come first
	lose    atomic.Int32 // so many questions over UDP are lost
	old     bool         // it does not know EDNS, and says so in a header alone
	deaf    bool         // questions with EDNS are lost
	address string
}

func (s *server) start() *server {
	s.t.Helper()
	s.address = nameserver.Start(s.t, s)
	return s
}

// ServeDNS implements dns.Handler.
func (s *server) ServeDNS(w dns.ResponseWriter, asked *dns.Msg) {
	udp := w.RemoteAddr().Network() == "udp"
	if udp && s.lose.Add(-1) >= 0 {
		return
	}
	switch edns := asked.IsEdns0() != nil; {
	case edns && s.deaf:
		return
	case edns && s.old:
		reply := new(dns.Msg).SetRcode(asked, dns.RcodeFormatError)
		reply.Question = nil
		_ = w.WriteMsg(reply)
		return
	}
	if !asked.RecursionDesired {
		s.t.Error("a resolver was not asked to resolve")
	}
	if udp && s.strays {
		for _, change := range []func(*dns.Msg){
			func(m *dns.Msg) { m.Id++ },
			func(m *dns.Msg) { m.Response = false },
			func(m *dns.Msg) { m.Question[0].Name = "evil.test." },
			func(m *dns.Msg) { m.Question = nil },
		} {
			stray := new(dns.Msg).SetReply(asked)
			stray.Answer = []dns.RR{txt("d.test.", 60, "stray")}
			change(stray)
			_ = w.WriteMsg(stray)
		}
		_, _ = w.Write([]byte("x"))
	}
	reply := new(dns.Msg).SetRcode(asked, s.rcode)
	if reply.Truncated = udp && s.small; !reply.Truncated {
		reply.Answer = s.answers
	}
	_ = w.WriteMsg(reply)
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
	_, port, err := net.SplitHostPort(s.address)
	if err != nil {
		s.t.Fatal(err)
	}
	return &System{File: file, Port: port}
}

func header(name string, kind uint16, ttl uint32) dns.RR_Header {
	return dns.RR_Header{Name: name, Rrtype: kind, Class: dns.ClassINET, Ttl: ttl}
}

func txt(name string, ttl uint32, texts ...string) dns.RR {
	return &dns.TXT{Hdr: header(name, dns.TypeTXT, ttl), Txt: texts}
}

func alias(name string, ttl uint32, to string) dns.RR {
	return &dns.CNAME{Hdr: header(name, dns.TypeCNAME, ttl), Target: to}
}

func TestTXT(t *testing.T) {
	for _, tt := range []struct {
		name    string
		rcode   int
		answers []dns.RR
		want    []string
		ttl     time.Duration
		fails   bool
	}{
		{name: "one", answers: []dns.RR{txt("d.test.", 60, "a")}, want: []string{"a"}, ttl: time.Minute},
		{name: "strings are joined", answers: []dns.RR{txt("d.test.", 60, "a", "b", "c")}, want: []string{"abc"}, ttl: time.Minute},
		{name: "what a zone file escapes", answers: []dns.RR{txt("d.test.", 60, `a\"\\\; \195\164`)}, want: []string{`a"\; ä`}, ttl: time.Minute},
		{name: "two", answers: []dns.RR{txt("d.test.", 60, "a"), txt("D.Test.", 30, "b")}, want: []string{"a", "b"}, ttl: 30 * time.Second},
		{name: "aliases in any order", want: []string{"a"}, ttl: 5 * time.Second, answers: []dns.RR{
			txt("f.test.", 60, "a"), alias("e.test.", 60, "f.test."), alias("d.test.", 5, "e.test.")}},
		{name: "of another name", answers: []dns.RR{txt("e.test.", 60, "a")}},
		{name: "of another type", answers: []dns.RR{&dns.A{Hdr: header("d.test.", dns.TypeA, 60), A: net.IPv4(192, 0, 2, 1)}}},
		{name: "an alias of itself", answers: []dns.RR{alias("d.test.", 60, "d.test.")}},
		{name: "a loop", answers: []dns.RR{alias("d.test.", 60, "e.test."), alias("e.test.", 60, "d.test.")}},
		{name: "no records"},
		{name: "no name", rcode: dns.RcodeNameError},
		{name: "an alias to no name", rcode: dns.RcodeNameError, answers: []dns.RR{alias("d.test.", 60, "e.test.")}},
		{name: "failure", rcode: dns.RcodeServerFailure, fails: true},
		{name: "refusal", rcode: dns.RcodeRefused, fails: true},
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
	s := (&server{t: t, answers: []dns.RR{txt("d.test.", 60, "a")}}).start()
	// Nobody listens at the first address.
	if got, err := s.system("127.0.0.2").TXT(t.Context(), "d.test."); err != nil || len(got.Texts) != 1 {
		t.Errorf("with one of two servers down: got %q, %v", got.Texts, err)
	}
	if got, err := s.system().TXT(t.Context(), strings.Repeat("x.", 200)+"test"); err != nil || got.Texts != nil {
		t.Errorf("a name that is too long to exist: got %q, %v", got.Texts, err)
	}
	if got, err := s.system().TXT(t.Context(), `\100.test`); err != nil || got.Texts != nil {
		t.Errorf("a name with an escape in it: got %q, %v", got.Texts, err)
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
	s := (&server{t: t, answers: []dns.RR{txt("d.test.", 60, "a")}}).start()
	s.lose.Store(1)
	if _, err := Ask(t.Context(), s.address, "d.test.", dns.TypeTXT, true); err != nil {
		t.Error(err)
	}
}

// TestWithoutEDNS asks servers that know no EDNS, or sit behind what drops it.
func TestWithoutEDNS(t *testing.T) {
	for name, s := range map[string]*server{"old": {old: true}, "deaf": {deaf: true}, "old, and too long an answer": {old: true, small: true}} {
		s.t, s.answers = t, []dns.RR{txt("d.test.", 60, "a")}
		s.start()
		if got, err := s.system().TXT(t.Context(), "d.test"); err != nil || !slices.Equal(got.Texts, []string{"a"}) {
			t.Errorf("%s: got %q, %v", name, got.Texts, err)
		}
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
	if _, err := Ask(ctx, udp.LocalAddr().String(), "d.test.", dns.TypeTXT, true); err == nil {
		t.Error("an answer out of nothing")
	}
	if ctx.Err() == nil {
		t.Error("gave up before nobody waited")
	}
}

func FuzzTXT(f *testing.F) {
	question := new(dns.Msg).SetQuestion("d.test.", dns.TypeTXT)
	seed := new(dns.Msg).SetReply(question)
	seed.Answer = []dns.RR{txt("d.test.", 60, "a"), alias("d.test.", 60, "e.test.")}
	packed, err := seed.Pack()
	if err != nil {
		f.Fatal(err)
	}
	f.Add(packed)
	f.Fuzz(func(t *testing.T, packed []byte) {
		reply := new(dns.Msg)
		if reply.Unpack(packed) != nil {
			return
		}
		answers(reply, question)
		if found, err := parseTXT(reply, "d.test."); err != nil && found.Texts != nil {
			t.Errorf("texts %q of a reply that is none", found.Texts)
		}
	})
}
