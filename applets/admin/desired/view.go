package desired

import (
	"bytes"
	"fmt"
	"path"
	"slices"
	"strings"
	"text/template"

	"chatmaild/applets/config"
	"chatmaild/mailfilter"
	"chatmaild/packaging"
	"chatmaild/packaging/www"
)

// view is what the templates see: the configuration, the key files, and what
// follows from both.
type view struct {
	*config.Config
	Paths
	Machine
	sizes
	constants
	site

	Sites  []config.Site // of other servers, which nginx hands on
	Member *member       // this machine among several; nil: the relay is one machine
}

// constants are what the templates see of values that no configuration changes.
type constants struct {
	HTTPSProxyPort, IMAPSProxyPort, SubmissionsProxyPort int
	IMAPProxyPort, PlainSitesPort, ProxiedSitesPort      int

	WebsocketIMAP, WebsocketSMTP string // paths

	ACMEPort              int
	WebRoot               string
	InstantIdleLibrary    string
	ContentSecurityPolicy string

	// MaxHeader is the largest header that the filters take, in bytes. Postfix keeps no
	// more of a single field than its limit says and drops the rest without a word: so its
	// limit is this one.
	MaxHeader int
	// MaxLine is the longest line that the filters take, in bytes.
	MaxLine int
}

func newView(conf *config.Config, paths Paths, machine Machine) view {
	return view{conf, paths, machine, sizes{conf, machine}, constants{
		HTTPSProxyPort: httpsProxyPort, IMAPSProxyPort: imapsProxyPort, SubmissionsProxyPort: submissionsProxyPort,
		IMAPProxyPort: imapProxyPort, PlainSitesPort: plainSitesPort, ProxiedSitesPort: proxiedSitesPort,
		WebsocketIMAP: config.WebsocketIMAP, WebsocketSMTP: config.WebsocketSMTP,
		ACMEPort: config.ACMEPort, WebRoot: WebRoot, InstantIdleLibrary: InstantIdleLibrary,
		ContentSecurityPolicy: www.ContentSecurityPolicy,
		MaxHeader:             mailfilter.MaxHeader, MaxLine: mailfilter.MaxLine,
	}, site{conf}, config.Sites(conf), newMember(conf, machine.PostgreSQL)}
}

// notice stands on top of each generated file.
const notice = `%s Written by "chatmaild run" from %s; the next run overwrites changes made here.
`

// Written reports whether a file is one that run wrote.
func Written(text []byte) bool {
	first, _, _ := bytes.Cut(text, []byte("\n"))
	return bytes.Contains(first, []byte(` Written by "chatmaild run" from `))
}

func (v view) render(name string) ([]byte, error) {
	text, err := packaging.Templates.ReadFile(name)
	if err != nil {
		return nil, err
	}
	t, err := template.New(path.Base(name)).Option("missingkey=error").Parse(string(text))
	if err != nil {
		return nil, err
	}
	comment := "#"
	if strings.HasSuffix(name, ".lua") {
		comment = "--"
	}
	var out bytes.Buffer
	fmt.Fprintf(&out, notice, comment, config.DefaultPath)
	if err := t.Execute(&out, v); err != nil {
		return nil, err
	}
	return out.Bytes(), nil
}

// Ports on the loopback interface behind nginx's port 443. Each server there
// expects the PROXY protocol.
const (
	httpsProxyPort = 8443
	imapsProxyPort = 10993
)

// traceHeaderSize is how much Postfix and the filters may add to a message on
// its way to the queue, in bytes.
const traceHeaderSize = 64 << 10

// ClientMessageSize is the largest message that a client may send, in bytes.
func (v view) ClientMessageSize() int64 { return int64(v.MaxMessageSize) }

// QueueMessageSize is the largest message that the queue takes, in bytes.
func (v view) QueueMessageSize() int64 { return int64(v.MaxMessageSize) + traceHeaderSize }

// QueueRoom is what has to be free on the disk of Postfix's queue, in bytes: with less
// it refuses every message (smtpd_check_queue of smtpd_check.c; postconf(5),
// queue_minfree).
func QueueRoom(conf *config.Config) int64 {
	return view{Config: conf}.QueueMessageSize() * 3 / 2
}

// Named reports whether the relay has a name; else an address stands for it.
func (v view) Named() bool {
	_, literal := v.Literal()
	return !literal
}

// source is the address from which mail leaves, of a relay that has no name. Others accept
// a literal that is the client's address, and a machine may have several: a temporary one
// (RFC 8981), for one.
type source struct {
	Protocol  string // as in inet_protocols
	Parameter string // that binds to an address
	Address   string // "": it is on no interface; a router puts it there
}

// Source is nil where the relay has a name.
func (v view) Source() *source {
	addr, literal := v.Literal()
	if !literal {
		return nil
	}
	s := &source{Protocol: "ipv4", Parameter: "smtp_bind_address"}
	if addr.Is6() {
		s.Protocol, s.Parameter = "ipv6", "smtp_bind_address6"
	}
	if slices.Contains(v.Addresses, addr) {
		s.Address = addr.String()
	}
	return s
}

// Hostname is what the mail server calls itself.
func (v view) Hostname() string { return config.Hostname(v.Config) }

// Host is what others connect to.
func (v view) Host() string { return config.Host(v.Config) }

// OwnTransport reports whether the transport delivers to other relays.
func (v view) OwnTransport() bool { return config.OwnTransport(v.Config) }

// Outward reports whether what leaves passes through the transport.
func (v view) Outward() bool { return config.Outward(v.Config) }

// Signs reports whether the relay signs what leaves.
func (v view) Signs() bool { return config.Signs(v.Config) }
