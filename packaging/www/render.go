package www

import (
	"bytes"
	"embed"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"

	"chatmaild/packaging/www/qrcode"
)

//go:embed en theme
var shipped embed.FS

// What others than people read.
const (
	autoconfigFile = ".well-known/autoconfig/mail/config-v1.1.xml"
	policyFile     = ".well-known/mta-sts.txt"
)

// qrScale is the width of a module of qr.png, in pixels: printed at 300 dpi it is
// about 4 cm wide.
const qrScale = 12

// Render returns the whole site: path below the document root → content. Files in
// override, which may be nil, replace ours of the same name or add to them. An error that
// the author of a file can fix is an *Error.
func Render(site Site, override fs.FS) (map[string][]byte, error) {
	if site.Registration == "" {
		site.Registration = Open
	}
	if site.Hidden {
		return plain(site, override)
	}
	src, err := open(override)
	if err != nil {
		return nil, err
	}
	r, err := newSiteRenderer(site, src)
	if err != nil {
		return nil, err
	}
	out := make(map[string][]byte)
	for _, name := range src.names {
		switch {
		case name == wordsFile || name == layoutFile || name == partsFile:
			// An ingredient, not a page.
		case path.Ext(name) == ".md":
			page := strings.TrimSuffix(name, ".md") + ".html"
			if src.replaces(page, name) {
				continue // the operator's is no Markdown
			}
			if out[page], err = r.page(name); err != nil {
				return nil, err
			}
		default:
			if out[name], err = src.read(name); err != nil {
				return nil, err
			}
		}
	}
	out[autoconfigFile] = autoconfig(site)
	out[policyFile] = mtaSTS(site)
	return out, pictures(site, out)
}

// plain is the site of a hidden relay: the operator's files as they are, and what mail
// programs and other servers look for at any mail provider's.
func plain(site Site, override fs.FS) (map[string][]byte, error) {
	out := make(map[string][]byte)
	if override != nil {
		src := &source{layers: []fs.FS{override}}
		if err := fs.WalkDir(override, ".", src.add); err != nil {
			return nil, fmt.Errorf("reading the pages' directory: %w", err)
		}
		for _, name := range src.names {
			var err error
			if out[name], err = src.read(name); err != nil {
				return nil, err
			}
		}
	}
	out[autoconfigFile] = autoconfig(site)
	out[policyFile] = mtaSTS(site)
	return out, nil
}

// pictures adds the QR codes. A self-signed relay's is drawn for each visitor, by the
// web daemon, and one that is not open has none to show.
func pictures(site Site, out map[string][]byte) error {
	if site.EchoInvite != "" {
		code, err := qrcode.Encode(site.EchoInvite)
		if err != nil {
			return fmt.Errorf("drawing the echo bot's invite: %w", err)
		}
		out["echo.svg"] = code.SVG()
	}
	if site.SelfSigned || site.Registration != Open {
		return nil
	}
	code, err := qrcode.Encode(AccountLink(site.Host, ""))
	if err != nil {
		return fmt.Errorf("drawing the profile's code: %w", err)
	}
	out["qr.svg"] = code.SVG()
	out["qr.png"], err = code.PNG(qrScale)
	return err
}

// autoconfig tells mail programs the servers (draft-ietf-mailmaint-autoconfig). Port 443
// and the extra ones are for networks that let nothing else through: nginx tells the
// protocols apart by ALPN. Port 443 of a hidden relay is for HTTPS alone.
func autoconfig(site Site) []byte {
	var b bytes.Buffer
	kind := " chatmail relay"
	if site.Hidden {
		kind = ""
	}
	fmt.Fprintf(&b, `<?xml version="1.0" encoding="UTF-8"?>
<clientConfig version="1.1">
  <emailProvider id="%[1]s">
    <domain>%[1]s</domain>
    <displayName>%[1]s%[2]s</displayName>
    <displayShortName>%[1]s</displayShortName>
`, site.MailDomain, kind)
	type server struct {
		tag, protocol string
		port          int
		security      string
	}
	servers := []server{
		{"incomingServer", "imap", 993, "SSL"},
		{"incomingServer", "imap", 143, "STARTTLS"},
		{"incomingServer", "imap", 443, "SSL"},
		{"outgoingServer", "smtp", 465, "SSL"},
		{"outgoingServer", "smtp", 587, "STARTTLS"},
		{"outgoingServer", "smtp", 443, "SSL"},
	}
	if site.Hidden {
		servers = slices.DeleteFunc(servers, func(s server) bool { return s.port == 443 })
	}
	for _, port := range site.ExtraPorts {
		servers = append(servers, server{"incomingServer", "imap", port, "SSL"}, server{"outgoingServer", "smtp", port, "SSL"})
	}
	for _, s := range servers {
		fmt.Fprintf(&b, `    <%[1]s type="%[2]s">
      <hostname>%[3]s</hostname>
      <port>%[4]d</port>
      <socketType>%[5]s</socketType>
      <authentication>password-cleartext</authentication>
      <username>%%EMAILADDRESS%%</username>
    </%[1]s>
`, s.tag, s.protocol, site.Host, s.port, s.security)
	}
	b.WriteString("  </emailProvider>\n</clientConfig>\n")
	return b.Bytes()
}

// mtaSTS is the policy of RFC 8461 §3.2. A certificate that nobody can verify must not
// be asked for, so a self-signed relay says "none".
func mtaSTS(site Site) []byte {
	if site.SelfSigned {
		return []byte("version: STSv1\nmode: none\nmax_age: 86400\n")
	}
	return []byte("version: STSv1\nmode: enforce\nmx: " + site.Host + "\nmax_age: 2419200\n")
}
