package lab

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
)

// publishGuest publishes the records of a relay whose domain is that of a web site on
// another machine, without those that the relay prints itself.
func (r *Relay) publishGuest(ctx context.Context, hostname string) error {
	site, err := r.lab.AddStation(ctx, r.Name+"-site")
	if err != nil {
		return err
	}
	z := r.lab.Zone
	return errors.Join(
		z.Set(r.Domain, "A", site.IPv4.String()),
		z.Set(hostname, "A", r.IPv4.String()),
		z.Set(hostname, "AAAA", r.IPv6.String()),
		z.Set(r.Domain, "MX", "10 "+hostname),
	)
}

// guest looks at a relay whose domain has its web site on another machine, as apps, other
// relays and its operator do, and from a peer. Real clients have talked through it.
func guest(t *testing.T, l *Lab, r *Relay, root string, peer *Relay) {
	ctx := deadline(t, stepTimeout)
	answerForTest(t, l)
	zone, err := r.Run(ctx, "chatmaild", "dns", "--zonefile", "-")
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(zone) {
		fields := strings.SplitN(strings.TrimSpace(line), " ", 5) // name, TTL, IN, type, data
		if strings.HasPrefix(line, ";") || len(fields) != 5 {
			continue
		}
		if err := l.Zone.Set(fields[0], fields[3], fields[4]); err != nil {
			t.Fatal(err)
		}
	}
	said, err := r.Run(ctx, "chatmaild", "dns")
	if err != nil || strings.Contains(said, "missing") || strings.Contains(said, "different") {
		t.Errorf("dns finds fault with its own zone file: %v\n%s", err, said)
	}
	contains(t, "dns", said, "The web server of two.test is not this machine", "/mxdeliv")
	if said, err := r.Run(ctx, "chatmaild", "run"); err != nil || !strings.Contains(said, "nothing to do") {
		t.Errorf("run: %v\n%s", err, said)
	}
	if link, err := r.Run(ctx, "chatmaild", "qr"); err != nil || !strings.Contains(link, "DCACCOUNT:https://chat.two.test/new") {
		t.Errorf("qr: %v\n%s", err, link)
	}

	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM([]byte(root))
	outside, err := l.AddStation(ctx, "beside")
	if err != nil {
		t.Fatal(err)
	}
	client := &http.Client{Transport: &http.Transport{DialContext: outside.DialContext, TLSClientConfig: &tls.Config{RootCAs: roots}}}
	for url, want := range map[string]string{
		"https://autoconfig.two.test/mail/config-v1.1.xml?emailaddress=x%40two.test": "<hostname>chat.two.test</hostname>",
		"https://mta-sts.two.test/.well-known/mta-sts.txt":                           "mx: chat.two.test\n",
		"https://chat.two.test/":      "two.test",
		"https://chat.two.test:2053/": "two.test",
		"https://chat.two.test/.well-known/autoconfig/mail/config-v1.1.xml": "<port>2053</port>",
	} {
		resp, err := client.Get(url)
		if err != nil {
			t.Error(err)
			continue
		}
		body, err := io.ReadAll(io.LimitReader(resp.Body, 1<<20))
		resp.Body.Close()
		if err != nil || resp.StatusCode != http.StatusOK || !strings.Contains(string(body), want) {
			t.Errorf("%s: %v, %s, %.300q", url, err, resp.Status, body)
		}
	}

	trust(t, peer, "two", root)
	res, err := peer.Exec(ctx, nil, "chatmaild", "test", r.Domain)
	if err != nil || res.Code != 0 {
		t.Errorf("test: %v, exit status %d\n%s%s", err, res.Code, res.Stdout, res.Stderr)
	}
}
