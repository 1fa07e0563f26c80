package lab

import (
	"context"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"strings"
	"time"

	"github.com/miekg/dns"

	"chatmaild/testdata/lab/machine"
)

const (
	installTimeout = 4 * time.Minute

	configFile = "/etc/chatmail/chatmail.toml"
	selector   = "opendkim" // the config's default

	// testLoad takes the place of max_load_1m: the load average that a host
	// sees is the machine's, with all else that runs there.
	testLoad = "max_load_1m = 100.0"
)

// A Relay is a host that our package has made a relay.
type Relay struct {
	*machine.Host
	Domain string

	lab *Lab
}

// StartRelay boots a host, installs the package, and has chatmaild make it the
// relay of a domain. The name of the host is the domain's first label. The
// lines of settings are added to the config.
func (l *Lab) StartRelay(ctx context.Context, domain, deb string, settings ...string) (*Relay, error) {
	ctx, cancel := context.WithTimeout(ctx, installTimeout)
	defer cancel()
	host, err := l.StartHost(ctx, label(domain))
	if err != nil {
		return nil, err
	}
	r := &Relay{Host: host, Domain: domain, lab: l}
	steps := []struct {
		what string
		do   func(context.Context) error
	}{
		{"adding its addresses to the DNS", r.publishAddresses},
		{"installing the package", func(ctx context.Context) error { return r.InstallDeb(ctx, deb) }},
		{"writing its config", func(ctx context.Context) error { return r.configure(ctx, settings) }},
		{"setting it up", r.setUp},
		{"adding its DKIM key to the DNS", r.publishKey},
	}
	for _, step := range steps {
		fmt.Fprintf(l.log, "relay %s: %s\n", domain, step.what)
		if err := step.do(ctx); err != nil {
			return r, fmt.Errorf("relay %s: %s: %w", domain, step.what, err)
		}
	}
	return r, nil
}

// label is the name of the host of a domain: its first label.
func label(domain string) string {
	name, _, _ := strings.Cut(strings.Trim(domain, "_[]"), ".")
	return name
}

func (r *Relay) publishAddresses(context.Context) error {
	z := r.Zone
	errs := []error{r.TakeName(r.Domain)}
	for _, ip := range []netip.Addr{r.IPv4, r.IPv6} {
		if !ip.IsValid() {
			continue
		}
		name, err := dns.ReverseAddr(ip.String())
		errs = append(errs, err, z.Set(name, "PTR", r.Domain))
	}
	return errors.Join(append(errs,
		z.Set(r.Domain, "MX", "10 "+r.Domain),
		z.Set("www."+r.Domain, "CNAME", r.Domain),
		z.Set("mta-sts."+r.Domain, "CNAME", r.Domain),
		z.Set("_mta-sts."+r.Domain, "TXT", "v=STSv1; id=1"),
		z.Set(r.Domain, "TXT", "v=spf1 a ~all"),
		z.Set("_dmarc."+r.Domain, "TXT", "v=DMARC1;p=reject;adkim=s;aspf=s"),
	)...)
}

func (r *Relay) configure(ctx context.Context, settings []string) error {
	if _, err := r.Run(ctx, "chatmaild", "init", r.Domain); err != nil {
		return err
	}
	text, err := r.ReadFile(ctx, configFile)
	if err != nil {
		return err
	}
	for _, setting := range append([]string{testLoad}, settings...) {
		text = setKey(text, setting)
	}
	// Not WriteFile: owner and mode are as init made them.
	res, err := r.Exec(ctx, strings.NewReader(text), "dd", "status=none", "of="+configFile)
	if err != nil {
		return err
	}
	return res.Failure("dd", nil)
}

// setKey replaces the line that sets the key of a setting, or adds the setting.
func setKey(text, setting string) string {
	key, _, _ := strings.Cut(setting, " =")
	var b strings.Builder
	found := false
	for line := range strings.Lines(text) {
		if name, _, ok := strings.Cut(line, "="); ok && strings.TrimSpace(name) == key {
			line, found = setting+"\n", true
		}
		b.WriteString(line)
	}
	if !found {
		b.WriteString("\n" + setting + "\n")
	}
	return b.String()
}

func (r *Relay) setUp(ctx context.Context) error {
	_, err := r.Run(ctx, "chatmaild", "run", "--skip-dns-check")
	return err
}

// publishKey makes the DKIM record (RFC 6376, section 3.6.1) from the private
// key, not from what chatmaild says: that is tested against it.
func (r *Relay) publishKey(ctx context.Context) error { return r.publishKeyIn(ctx, "/etc/dkimkeys") }

// publishKeyIn is publishKey where the key is in another directory.
func (r *Relay) publishKeyIn(ctx context.Context, dir string) error {
	text, err := r.ReadFile(ctx, dir+"/"+selector+".private")
	if err != nil {
		return err
	}
	record, err := dkimRecord([]byte(text))
	if err != nil {
		return err
	}
	return r.Zone.Set(selector+"._domainkey."+r.Domain, "TXT", record)
}

func dkimRecord(private []byte) (string, error) {
	block, _ := pem.Decode(private)
	if block == nil {
		return "", errors.New("the DKIM key is no PEM file")
	}
	var key *rsa.PrivateKey
	if parsed, err := x509.ParsePKCS8PrivateKey(block.Bytes); err == nil {
		key, _ = parsed.(*rsa.PrivateKey)
	} else if key, err = x509.ParsePKCS1PrivateKey(block.Bytes); err != nil {
		return "", fmt.Errorf("reading the DKIM key: %w", err)
	}
	if key == nil {
		return "", errors.New("the DKIM key is not an RSA key")
	}
	public, err := x509.MarshalPKIXPublicKey(&key.PublicKey)
	if err != nil {
		return "", err
	}
	return "v=DKIM1; k=rsa; p=" + base64.StdEncoding.EncodeToString(public), nil
}

// SignUpQR is what a user scans to get an account on the relay.
func (r *Relay) SignUpQR() string { return "DCACCOUNT:" + r.Domain }

// Diagnose writes what one wants to see after a failure: the end of the
// journal, the mail queue, and what chatmaild says of itself.
func (r *Relay) Diagnose(w io.Writer) {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	for _, command := range [][]string{
		{"chatmaild", "status"},
		{"systemctl", "--no-pager", "--failed"},
		{"postqueue", "-p"},
		{"journalctl", "--no-pager", "--lines=150", "--output=short-precise"},
	} {
		res, err := r.Exec(ctx, nil, command...)
		if err != nil {
			fmt.Fprintf(w, "--- %s: %s: %v\n", r.Domain, strings.Join(command, " "), err)
			continue
		}
		fmt.Fprintf(w, "--- %s: %s (exit status %d)\n%s%s", r.Domain, strings.Join(command, " "), res.Code, res.Stdout, res.Stderr)
	}
}
