package selftest

import (
	"context"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"net"
	"strings"
	"testing"

	"chatmaild/testdata/kit/nameserver"
)

// nameServer answers for all names of a test.
type nameServer struct{ address string }

// newNameServer has the records of a zone file; but change may take some away.
func newNameServer(t *testing.T, file string, change func(*nameserver.Zone) error) *nameServer {
	t.Helper()
	zone := nameserver.NewZone()
	err := zone.AddFile(file)
	if err == nil && change != nil {
		err = change(zone)
	}
	if err != nil {
		t.Fatal(err)
	}
	return &nameServer{nameserver.Start(t, zone)}
}

// relayRecords are those of a relay that has all of them.
func relayRecords(t *testing.T, domain string) string {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, forgedBits)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalPKIXPublicKey(&key.PublicKey)
	if err != nil {
		t.Fatal(err)
	}
	public := base64.StdEncoding.EncodeToString(der)
	return strings.NewReplacer("DOMAIN", domain, "KEY", public[:200]+`" "`+public[200:]).Replace(`
test.                       NS    ns.test.
ns.test.                    A     127.0.0.1
_b.test.                    A     127.0.0.1
DOMAIN.                     A     127.0.0.1
DOMAIN.                     AAAA  ::1
DOMAIN.                     MX    10 DOMAIN.
DOMAIN.                     TXT   "v=spf1 a ~all"
www.DOMAIN.                 CNAME DOMAIN.
mta-sts.DOMAIN.             CNAME DOMAIN.
_mta-sts.DOMAIN.            TXT   "v=STSv1; id=1"
_dmarc.DOMAIN.              TXT   "v=DMARC1;p=reject;adkim=s;aspf=s"
opendkim._domainkey.DOMAIN. TXT   "v=DKIM1; k=rsa; p=KEY"
`)
}

func (s *nameServer) port() string {
	_, port, _ := net.SplitHostPort(s.address)
	return port
}

func (s *nameServer) resolver() *net.Resolver {
	return &net.Resolver{PreferGo: true, Dial: func(ctx context.Context, network, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, network, s.address)
	}}
}
