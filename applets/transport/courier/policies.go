package courier

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"time"

	"chatmaild/applets/transport/mtasts"
	"chatmaild/applets/transport/mxdeliv"
)

// errPolicy is why mail does not go to a host.
var errPolicy = errors.New("the MTA-STS policy of the domain does not name the host that its MX record does")

// newPolicies returns the MTA-STS policies of other domains, which are fetched over
// connections that dial makes.
func newPolicies(resolver Resolver, dial mxdeliv.Dial, roots *x509.CertPool) *mtasts.Cache {
	transport := &http.Transport{
		DialContext: func(ctx context.Context, _, address string) (net.Conn, error) {
			host, _, err := net.SplitHostPort(address)
			if err != nil {
				return nil, err
			}
			return dial(ctx, host)
		},
		TLSClientConfig:   &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: roots},
		DisableKeepAlives: true,
	}
	return &mtasts.Cache{
		Now: time.Now,
		Records: func(ctx context.Context, name string) ([]string, error) {
			records, err := resolver.LookupTXT(ctx, name)
			var no *net.DNSError
			if errors.As(err, &no) && no.IsNotFound {
				return nil, nil
			}
			return records, err
		},
		Fetch: func(ctx context.Context, domain string) (string, error) {
			r, err := http.NewRequestWithContext(ctx, http.MethodGet, "https://mta-sts."+domain+"/.well-known/mta-sts.txt", nil)
			if err != nil {
				return "", fmt.Errorf("an MTA-STS policy: %w", err)
			}
			resp, err := transport.RoundTrip(r) // redirects are not followed (RFC 8461, section 3.3)
			if err != nil {
				return "", fmt.Errorf("an MTA-STS policy: %w", err)
			}
			defer resp.Body.Close()
			if resp.StatusCode != http.StatusOK {
				return "", fmt.Errorf("an MTA-STS policy: the answer is %s", resp.Status)
			}
			text, err := io.ReadAll(io.LimitReader(resp.Body, mtasts.MaxSize))
			return string(text), err
		},
	}
}
