package peer

import (
	"cmp"
	"context"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"chatmaild/testdata/kit/pki"
	"chatmaild/testdata/lab/cache"
	"chatmaild/testdata/lab/network"
	"chatmaild/testdata/lab/program"
)

// pebblePackage is Let's Encrypt's own ACME server for tests, pinned.
const pebblePackage = "github.com/letsencrypt/pebble/v2/cmd/pebble@v2.10.1"

// AuthorityHost is the authority's name in the lab.
const AuthorityHost = "ca.test"

const (
	authorityPort   = "14000"
	managementPort  = "15000"
	authorityPoll   = 50 * time.Millisecond
	maxAuthorityDoc = 1 << 20

	// issuedFor is longer than any test.
	issuedFor = 24 * time.Hour
	// ShortLived is as long as Let's Encrypt's profile of that name.
	ShortLived = 160 * time.Hour
)

// An Authority is a certificate authority in the lab, at ca.test: Pebble. What
// it knows – accounts, orders, the roots of what it issues – lives as long as
// one run of it, from Start to Stop.
type Authority struct {
	network.Station
	// Root is the PEM certificate behind the authority's own HTTPS.
	Root []byte
	// Challenges has it want challenges for each order. Else it does for half of those whose
	// names it has seen proved before. It is read by Start.
	Challenges bool
	// IssuedFor is for how long certificates are valid; 0: longer than any test. It is read by
	// Start.
	IssuedFor time.Duration

	dir     string
	program string
	cmd     *exec.Cmd
	ended   <-chan struct{}
}

// AddAuthority adds a station for an authority, which keeps its files in dir. It does not run
// yet. Progress goes to w.
func AddAuthority(ctx context.Context, w io.Writer, n *network.Network, dir string) (*Authority, error) {
	executable, err := pebbleProgram(ctx, w)
	if err != nil {
		return nil, err
	}
	s, err := n.AddStation(ctx, "ca")
	if err != nil {
		return nil, err
	}
	a := &Authority{Station: s, dir: dir, program: executable}
	if err := os.MkdirAll(a.dir, 0o755); err != nil {
		return nil, err
	}
	if err := n.Zone.Set(AuthorityHost, "A", s.IPv4.String()); err != nil {
		return nil, err
	}
	cert, key, err := pki.NewPEM(AuthorityHost)
	if err != nil {
		return nil, err
	}
	a.Root = cert
	return a, errors.Join(
		os.WriteFile(filepath.Join(a.dir, "cert.pem"), cert, 0o644),
		os.WriteFile(filepath.Join(a.dir, "key.pem"), key, 0o600))
}

func pebbleProgram(ctx context.Context, w io.Writer) (string, error) {
	dir, err := cache.Get(ctx, "pebble-"+cache.Fingerprint(pebblePackage), func(ctx context.Context, dir string) error {
		fmt.Fprintf(w, "building the test authority, once: %s\n", pebblePackage)
		_, err := program.Run(ctx, "env", "GOBIN="+dir, "go", "install", pebblePackage)
		return err
	})
	return filepath.Join(dir, "pebble"), err
}

// Directory is what acme_directory has to be.
func (a *Authority) Directory() string {
	return "https://" + net.JoinHostPort(AuthorityHost, authorityPort) + "/dir"
}

// Start starts the authority and waits until it answers. One nonce in five is
// refused (RFC 8555 §6.5).
func (a *Authority) Start(ctx context.Context) error {
	v4, _ := network.Resolver()
	config, err := json.Marshal(map[string]any{"pebble": map[string]any{
		"listenAddress": ":" + authorityPort, "managementListenAddress": ":" + managementPort,
		"certificate": filepath.Join(a.dir, "cert.pem"), "privateKey": filepath.Join(a.dir, "key.pem"),
		"httpPort": 80, "tlsPort": 443, "keyAlgorithm": "ecdsa",
		"profiles": map[string]any{
			"default":    map[string]any{"description": "lab", "validityPeriod": int(cmp.Or(a.IssuedFor, issuedFor).Seconds())},
			"shortlived": map[string]any{"description": "for addresses", "validityPeriod": int(cmp.Or(a.IssuedFor, ShortLived).Seconds())},
		},
	}})
	if err != nil {
		return err
	}
	file := filepath.Join(a.dir, "config.json")
	if err := os.WriteFile(file, config, 0o644); err != nil {
		return err
	}
	output, err := os.OpenFile(filepath.Join(a.dir, "log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return err
	}
	defer output.Close()
	a.cmd = exec.Command("nsenter", "--net="+a.Path(), "--", a.program,
		"-config", file, "-dnsserver", net.JoinHostPort(v4.String(), "53"))
	a.cmd.Env = append(os.Environ(), "PEBBLE_VA_NOSLEEP=1", "PEBBLE_WFE_NONCEREJECT=20")
	if a.Challenges {
		a.cmd.Env = append(a.cmd.Env, "PEBBLE_AUTHZREUSE=0")
	}
	a.cmd.Stdout, a.cmd.Stderr = output, output
	if a.ended, err = program.Start(a.cmd, syscall.SIGKILL); err != nil {
		return fmt.Errorf("starting the authority: %w", err)
	}
	for {
		_, err := a.management(ctx, http.MethodGet, "/roots/0", nil)
		if err == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("the authority does not answer: %w; its log:\n%s", err, a.Log())
		case <-a.ended:
			return fmt.Errorf("the authority ended; its log:\n%s", a.Log())
		case <-time.After(authorityPoll):
		}
	}
}

// Stop ends the authority. Nobody answers at its address then.
func (a *Authority) Stop() {
	if a.cmd == nil {
		return
	}
	a.cmd.Process.Kill()
	<-a.ended
	a.cmd = nil
}

// Log is the end of what the authority wrote.
func (a *Authority) Log() string {
	text, err := os.ReadFile(filepath.Join(a.dir, "log"))
	if err != nil {
		return err.Error()
	}
	return program.Tail(string(text), 40)
}

// Issuer returns the root of what this run of the authority issues.
func (a *Authority) Issuer(ctx context.Context) (*x509.CertPool, error) {
	text, err := a.IssuerPEM(ctx)
	if err != nil {
		return nil, err
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(text) {
		return nil, errors.New("the authority's root is not a certificate")
	}
	return pool, nil
}

// IssuerPEM is Issuer as a file.
func (a *Authority) IssuerPEM(ctx context.Context) ([]byte, error) {
	return a.management(ctx, http.MethodGet, "/roots/0", nil)
}

// WantRenewal makes the authority say that a certificate is to be renewed at
// once (RFC 9773 §4.2).
func (a *Authority) WantRenewal(ctx context.Context, cert *x509.Certificate) error {
	window, err := json.Marshal(map[string]any{"suggestedWindow": map[string]any{
		"start": time.Now().Add(-2 * time.Hour).UTC().Format(time.RFC3339),
		"end":   time.Now().Add(-time.Hour).UTC().Format(time.RFC3339),
	}})
	if err != nil {
		return err
	}
	body, err := json.Marshal(map[string]string{
		"Certificate": string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: cert.Raw})),
		"ARIResponse": string(window),
	})
	if err != nil {
		return err
	}
	_, err = a.management(ctx, http.MethodPost, "/set-renewal-info/", body)
	return err
}

// management talks to the authority's other port, which is for tests.
func (a *Authority) management(ctx context.Context, method, path string, body []byte) ([]byte, error) {
	transport := &http.Transport{DialContext: a.DialContext, TLSClientConfig: network.Insecure(AuthorityHost), DisableKeepAlives: true}
	req, err := http.NewRequestWithContext(ctx, method, "https://"+net.JoinHostPort(AuthorityHost, managementPort)+path, strings.NewReader(string(body)))
	if err != nil {
		return nil, err
	}
	resp, err := (&http.Client{Transport: transport}).Do(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(io.LimitReader(resp.Body, maxAuthorityDoc))
	if err == nil && resp.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s %s: %s: %s", method, path, resp.Status, text)
	}
	return text, err
}
