package lab

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"net"
	"strconv"
	"strings"
	"testing"
	"time"

	"chatmaild/testdata/lab/network"
)

const (
	// plugCertificate is for how long certificates are valid: the relay renews its own after
	// half of that.
	plugCertificate = 20 * time.Second
	// lastLoginLag is how long it may take until the day of a login is on the disk: Linux
	// writes what is dirty for 30 s, and looks each 5 s.
	lastLoginLag = 40 * time.Second
	// plugAway is how long ago the people have logged in last when the clients begin.
	plugAway = 10 * 24 * time.Hour
)

// forgetLogins has the people have been away for days.
func (p *plug) forgetLogins(t *testing.T) {
	t.Helper()
	away := time.Now().Add(-plugAway).UTC().Truncate(24 * time.Hour).Unix()
	for _, a := range p.people {
		p.script(t, "touch --date=@%d %s/password", away, p.home(a.addr))
	}
	p.script(t, "sync")
	p.told.logins = map[string]time.Time{}
}

// noteLogin notes one that may be the first of the day.
func (p *plug) noteLogin(addr string) {
	p.note(func(t *told) {
		if t.logins[addr].IsZero() {
			t.logins[addr] = time.Now()
		}
	})
}

// lookAtLogins wants the day of each login that is long enough ago. A later one may be lost,
// and then the day is the one before; it is never any other.
func (p *plug) lookAtLogins(t *testing.T) {
	t.Helper()
	kept, lost := 0, 0
	for addr, login := range p.told.logins {
		seconds, err := strconv.ParseInt(p.script(t, "stat --format=%%Y %s/password", p.home(addr)), 10, 64)
		if err != nil {
			t.Fatal(err)
		}
		noted, day := time.Unix(seconds, 0).UTC(), 24*time.Hour
		switch before := login.UTC().Truncate(day); {
		case !noted.Before(before) && !noted.After(time.Now()):
			kept++
		case p.pulled.Sub(login) > lastLoginLag:
			t.Errorf("the last login of %s was %v before the plug was pulled, and is noted as %v", addr, p.pulled.Sub(login), noted)
		case noted.Before(before.Add(-plugAway-day)) || noted.After(before.Add(-plugAway+day)):
			t.Errorf("the last login of %s is noted as %v", addr, noted)
		default:
			lost++
		}
	}
	t.Logf("last logins: %d kept, %d of the last moment lost", kept, lost)
}

// watch has a client look at the certificate, as each does.
func (p *plug) watch(ctx context.Context) {
	for ctx.Err() == nil {
		if cert, err := p.certificate(ctx, "443"); err == nil {
			p.note(func(t *told) {
				if t.shown == nil || !t.shown.Equal(cert) {
					t.shown = cert
					t.renewals++
				}
			})
		}
		restFor(ctx, poll)
	}
}

// certificate is what a port shows.
func (p *plug) certificate(ctx context.Context, port string) (*x509.Certificate, error) {
	conn, err := p.outside.DialContext(ctx, "tcp", net.JoinHostPort(p.relay.Domain, port))
	if err != nil {
		return nil, err
	}
	defer conn.Close()
	secure := tls.Client(conn, network.Insecure(p.relay.Domain))
	if err := secure.HandshakeContext(ctx); err != nil {
		return nil, err
	}
	return secure.ConnectionState().PeerCertificates[0], nil
}

// lookAtCertificate wants the one that clients have seen, or a later one of the same key, on
// the disk and at each port.
func (p *plug) lookAtCertificate(t *testing.T) {
	t.Helper()
	shown := p.told.shown
	if shown == nil {
		t.Fatal("no client has seen a certificate")
	}
	block, _ := pem.Decode([]byte(p.script(t, "cat %sfullchain.pem", liveDir) + "\n"))
	if block == nil {
		t.Fatal("the certificate is lost")
	}
	kept, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		t.Fatal(err)
	}
	found := map[string]*x509.Certificate{"the disk": kept}
	for _, port := range tlsPorts {
		if found["port "+port], err = p.certificate(deadline(t, stepTimeout), port); err != nil {
			t.Fatal(err)
		}
	}
	for where, cert := range found {
		if cert.NotBefore.Before(shown.NotBefore) || !samePublicKey(cert, shown) || !strings.Contains(cert.Issuer.String(), "Pebble") {
			t.Errorf("%s has %s, clients have seen %s", where, described(cert), described(shown))
		}
	}
}

func described(c *x509.Certificate) string {
	return fmt.Sprintf("a certificate of %s, valid from %v", c.Issuer, c.NotBefore)
}
