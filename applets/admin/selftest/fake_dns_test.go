package selftest

import (
	"context"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"maps"
	"net"
	"strings"
	"testing"

	"golang.org/x/net/dns/dnsmessage"
)

// records are those of a test, by names with a dot at the end.
type records map[string][]dnsmessage.ResourceBody

// nameServer answers for all names of a test, over UDP.
type nameServer struct {
	conn    net.PacketConn
	records records
}

// newNameServer has these records; but change may take some away.
func newNameServer(t *testing.T, zone records, change func(records)) *nameServer {
	t.Helper()
	conn, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	s := &nameServer{conn, maps.Clone(zone)}
	if change != nil {
		change(s.records)
	}
	go s.serve()
	return s
}

// relayRecords are those of a relay that has all of them.
func relayRecords(t *testing.T, domain string) records {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, forgedBits)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalPKIXPublicKey(&key.PublicKey)
	if err != nil {
		t.Fatal(err)
	}
	text := func(s string) []dnsmessage.ResourceBody {
		return []dnsmessage.ResourceBody{&dnsmessage.TXTResource{TXT: []string{s[:min(len(s), 255)], s[min(len(s), 255):]}}}
	}
	name := dnsmessage.MustNewName
	home := &dnsmessage.AResource{A: [4]byte{127, 0, 0, 1}}
	six := &dnsmessage.AAAAResource{AAAA: [16]byte{15: 1}}
	d := domain + "."
	return records{
		"test.":    {&dnsmessage.NSResource{NS: name("ns.test.")}},
		"ns.test.": {home},
		d: {home, six, &dnsmessage.MXResource{Pref: 10, MX: name(d)},
			text("v=spf1 a ~all")[0]},
		"www." + d:                 {&dnsmessage.CNAMEResource{CNAME: name(d)}},
		"mta-sts." + d:             {&dnsmessage.CNAMEResource{CNAME: name(d)}},
		"_mta-sts." + d:            text("v=STSv1; id=1"),
		"_dmarc." + d:              text("v=DMARC1;p=reject;adkim=s;aspf=s"),
		"opendkim._domainkey." + d: text("v=DKIM1; k=rsa; p=" + base64.StdEncoding.EncodeToString(der)),
		"_b.test.":                 {home},
	}
}

func (s *nameServer) serve() {
	buf := make([]byte, 1500)
	for {
		n, from, err := s.conn.ReadFrom(buf)
		if err != nil {
			return
		}
		if reply := s.answer(buf[:n]); reply != nil {
			s.conn.WriteTo(reply, from)
		}
	}
}

func (s *nameServer) answer(asked []byte) []byte {
	var p dnsmessage.Parser
	h, err := p.Start(asked)
	if err != nil {
		return nil
	}
	q, err := p.Question()
	if err != nil {
		return nil
	}
	m := dnsmessage.Message{
		Header:    dnsmessage.Header{ID: h.ID, Response: true, Authoritative: true, RecursionAvailable: true},
		Questions: []dnsmessage.Question{q},
	}
	owner := strings.ToLower(q.Name.String())
	if s.records[owner] == nil {
		m.RCode = dnsmessage.RCodeNameError
	}
	for range 2 { // an alias, and what it leads to
		alias := ""
		for _, body := range s.records[owner] {
			kind := typeOf(body)
			if kind != q.Type && kind != dnsmessage.TypeCNAME {
				continue
			}
			m.Answers = append(m.Answers, dnsmessage.Resource{
				Header: dnsmessage.ResourceHeader{Name: dnsmessage.MustNewName(owner), Class: dnsmessage.ClassINET},
				Body:   body,
			})
			if c, ok := body.(*dnsmessage.CNAMEResource); ok {
				alias = c.CNAME.String()
			}
		}
		if alias == "" {
			break
		}
		owner = alias
	}
	reply, err := m.Pack()
	if err != nil {
		return nil
	}
	return reply
}

func typeOf(body dnsmessage.ResourceBody) dnsmessage.Type {
	switch body.(type) {
	case *dnsmessage.AResource:
		return dnsmessage.TypeA
	case *dnsmessage.AAAAResource:
		return dnsmessage.TypeAAAA
	case *dnsmessage.MXResource:
		return dnsmessage.TypeMX
	case *dnsmessage.NSResource:
		return dnsmessage.TypeNS
	case *dnsmessage.TXTResource:
		return dnsmessage.TypeTXT
	}
	return dnsmessage.TypeCNAME
}

func (s *nameServer) port() string {
	_, port, _ := net.SplitHostPort(s.conn.LocalAddr().String())
	return port
}

func (s *nameServer) resolver() *net.Resolver {
	return &net.Resolver{PreferGo: true, Dial: func(ctx context.Context, _, _ string) (net.Conn, error) {
		var d net.Dialer
		return d.DialContext(ctx, "udp", s.conn.LocalAddr().String())
	}}
}
