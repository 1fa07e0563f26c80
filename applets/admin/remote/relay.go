package remote

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"net"
	"net/netip"
	"strconv"
	"time"

	"chatmaild/applets/config"
	"chatmaild/auth/mailaddr"
)

// connectTimeout bounds a TCP handshake: a host that does not answer by then is
// behind a filter that drops packets.
const connectTimeout = 5 * time.Second

// Network is how this machine reaches others. The zero value is the machine's
// own way.
type Network struct {
	// Resolver looks names up; nil means the machine's own.
	Resolver *net.Resolver
	// NameServerPort is where the domain's own name servers listen; "" means 53.
	NameServerPort string
	// Dial connects by TCP to "host:port"; nil means net.Dialer with Resolver.
	Dial func(ctx context.Context, network, address string) (net.Conn, error)
	// Roots are the authorities to trust; nil means the machine's.
	Roots *x509.CertPool
	// Insecure accepts every certificate.
	Insecure bool
}

// Relay is a relay as others see it. It is safe for concurrent use.
type Relay struct {
	Domain string // that of its addresses: a name, or an IP address without brackets
	Host   string // what clients connect to: mostly the same
	Network
	family Family // "": either
}

// Literal reports whether the relay is at a bare address and has no name.
func (r *Relay) Literal() bool {
	_, err := netip.ParseAddr(r.Host)
	return err == nil
}

// URL is that of one of a relay's pages, such as "/new".
func URL(r *Relay, path string) string { return "https://" + mailaddr.InURL(r.Host) + path }

// MailDomain is what stands behind the @: the name, or a literal.
func (r *Relay) MailDomain() string { return mailaddr.Domain(r.Domain) }

// SelfSigned reports whether the relay makes its own certificate.
func (r *Relay) SelfSigned() bool { return config.SelfSigned(r.Domain) }

// Records is the machine's way to look names up.
func (n *Network) Records() *net.Resolver {
	if n.Resolver != nil {
		return n.Resolver
	}
	return net.DefaultResolver
}

// Addresses looks up all of the relay's addresses.
func (r *Relay) Addresses(ctx context.Context) ([]string, error) {
	if r.Literal() {
		return []string{r.Host}, nil
	}
	return r.Records().LookupHost(ctx, r.Host)
}

// Connect opens a TCP connection to one of the relay's ports. It cannot be used
// for longer than ctx lasts.
func (r *Relay) Connect(ctx context.Context, port int) (net.Conn, error) {
	return r.ConnectTo(ctx, net.JoinHostPort(r.Host, strconv.Itoa(port)))
}

// ConnectTo opens a TCP connection to "host:port". It bounds the handshake, not the
// connection: that ends with the context.
func (r *Relay) ConnectTo(ctx context.Context, address string) (net.Conn, error) {
	limited, cancel := context.WithTimeout(ctx, connectTimeout)
	defer cancel()
	dial := r.Dial
	if dial == nil {
		dial = (&net.Dialer{Resolver: r.Resolver}).DialContext
	}
	conn, err := dial(limited, "tcp"+string(r.family), address)
	if err != nil {
		return nil, err
	}
	return tether(ctx, conn), nil
}

// tether makes an end of ctx an end of what waits for the other side.
func tether(ctx context.Context, conn net.Conn) net.Conn {
	stop := context.AfterFunc(ctx, func() { _ = conn.SetDeadline(time.Unix(1, 0)) })
	return &tethered{conn, stop}
}

// tethered ends with the context: a server that stops talking holds up no check.
type tethered struct {
	net.Conn
	stop func() bool
}

// Close lets go of the context, too.
func (t *tethered) Close() error {
	t.stop()
	return t.Conn.Close()
}

// TLSConfig is how a client of this relay checks its certificate.
func (r *Relay) TLSConfig(s Service) *tls.Config {
	c := &tls.Config{ServerName: r.Host, RootCAs: r.Roots, InsecureSkipVerify: r.Insecure || r.SelfSigned()}
	if s.ALPN != "" {
		c.NextProtos = []string{s.ALPN}
	}
	return c
}

// handshake closes conn if it fails.
func handshake(ctx context.Context, conn net.Conn, config *tls.Config) (*tls.Conn, error) {
	secure := tls.Client(conn, config)
	if err := secure.HandshakeContext(ctx); err != nil {
		return nil, errors.Join(&HandshakeError{err}, conn.Close())
	}
	return secure, nil
}

// HandshakeError says that there is a server, but no TLS available from it.
type HandshakeError struct{ Err error }

func (e *HandshakeError) Error() string { return "TLS: " + e.Err.Error() }
func (e *HandshakeError) Unwrap() error { return e.Err }
