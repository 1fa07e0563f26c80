// Package desired says which files a relay's machine has, given its
// configuration: those of Postfix, Dovecot, nginx and systemd, and the web pages. It is pure;
// package host compares them with what is there.
package desired

import (
	"fmt"
	"io/fs"
	"path"
	"slices"

	"chatmaild/applets/config"
	"chatmaild/packaging/dovecot"
)

// File is a file as it should be.
type File struct {
	Path    string
	Absent  bool // it should not be there; only Path and Unit matter
	Content []byte
	Mode    fs.FileMode
	Owner   string // user name
	Group   string // group name
	Unit    string // the systemd unit that reads it when it starts, or ""
	Secret  bool   // its content is not for anybody's eyes
}

// Directory is a directory as it should be.
type Directory struct {
	Path  string
	Mode  fs.FileMode
	Owner string
	Group string
}

// The systemd units that a relay consists of. Debian's own come first.
const (
	Dovecot  = "dovecot.service"
	Postfix  = "postfix.service"
	Nginx    = "nginx.service"
	Journald = "systemd-journald.service"
	Target   = "chatmaild.target"
	Web      = "chatmaild-web.service"
	Echobot  = "chatmaild-echobot.service"
	Metadata = "chatmaild-metadata.service"

	// Transport signs what leaves, and delivers to other relays.
	Transport       = "chatmaild-transport.service"
	TransportSocket = "chatmaild-transport.socket"

	// LogSocket is where the servers around us log.
	LogSocket = "chatmaild-log.socket"

	// ACME gets certificates, and Certificate has the servers take one that changed:
	// CertificatePath starts it.
	ACME            = "chatmaild-acme.service"
	ACMESocket      = "chatmaild-acme.socket"
	Certificate     = "chatmaild-certificate.service"
	CertificatePath = "chatmaild-certificate.path"

	// Clock is started by ClockTimer when the machine's clock is set.
	Clock       = "chatmaild-clock.service"
	ClockTimer  = "chatmaild-clock.timer"
	ExpireTimer = "chatmaild-expire.timer"

	// QueueWatchPath starts queuewatch while mail is deferred.
	QueueWatchPath = "chatmaild-queuewatch.path"
)

// InstantIdleLibrary is what IMAP sessions are started with unless
// imap_instant_idle is off; its source says what it does.
const InstantIdleLibrary = "/usr/lib/chatmaild/instant-idle.so"

// The main files of Postfix's configuration.
const (
	DovecotConf   = "/etc/dovecot/dovecot.conf"
	PostfixMain   = "/etc/postfix/main.cf"
	PostfixMaster = "/etc/postfix/master.cf"
)

// TransportMap says which destinations are held or discarded. It is the
// operator's, by "chatmaild queue"; run only sees that there is one.
const TransportMap = "/etc/postfix/chatmaild-transport"

// TransportMapFile is the map with this content.
func TransportMapFile(content []byte) File {
	return File{Path: TransportMap, Content: content, Mode: 0o644, Owner: "root", Group: "root"}
}

// DKIMDir is where the key is that signs what leaves. The name is that of Debian's OpenDKIM,
// which did so on earlier relays.
const DKIMDir = "/etc/dkimkeys"

// TLSDir is where a relay that makes its own certificate keeps it.
const TLSDir = "/etc/chatmail/tls"

// ACMEUser owns the certificate's key and gets certificates. It is a user of its
// own because the other daemons take what strangers send.
const ACMEUser = "chatmaild-acme"

// EchobotUser owns the echo bot's identity, and is the bot.
const EchobotUser = "chatmaild-echobot"

// Paths are the key files that the generated files name.
type Paths struct {
	Certificate string // PEM: the relay's certificate, then its chain
	PrivateKey  string
	DKIMKey     string
}

// Files returns every generated file that conf wants on a machine, in the order in
// which they are to be written.
func Files(conf *config.Config, paths Paths, machine Machine) ([]File, error) {
	v := newView(conf, paths, machine)
	var files []File
	for _, g := range slices.Concat(configurations, machine.PostgreSQL.files()) {
		if g.when != nil && !g.when(v) {
			continue
		}
		content, err := v.render(g.template)
		if err != nil {
			return nil, fmt.Errorf("rendering %s: %w", g.path, err)
		}
		files = append(files, File{
			Path: g.path, Content: content, Mode: 0o644, Owner: "root", Group: "root", Unit: g.unit,
		})
	}
	files = append(files, formerFiles()...)
	return append(files, dropins(conf, machine)...), nil
}

// formerFiles are generated files of earlier versions that must go.
func formerFiles() []File {
	return []File{
		{Path: "/etc/dovecot/chatmaild-dict-auth.conf", Absent: true, Unit: Dovecot},
		{Path: "/etc/systemd/system/chatmaild-doveauth.socket.d/listen.conf", Absent: true},
	}
}

// Directories returns the directories that conf wants beside those of the package.
func Directories(conf *config.Config) []Directory {
	dirs := []Directory{
		{TLSDir, 0o700, "root", "root"},
		{WebRoot, 0o755, "root", "root"},
		{conf.MailboxesDir, 0o700, "vmail", "vmail"},
		{conf.StateDir, 0o755, "root", "root"},
		{conf.MetadataDir(), 0o700, "vmail", "vmail"},
		{conf.ExpireDir(), 0o700, "vmail", "vmail"},
		{config.Turn(conf).Dir(), 0o700, "vmail", "vmail"},
		// The certificate job, which cannot give files away, writes there: the group is the
		// directory's.
		{path.Dir(config.SubmissionCertificate(conf)), 0o750 | fs.ModeSetgid, "root", CertificateGroup},
		// web writes the invites and their key, which doveauth, as vmail, reads.
		{conf.InvitesDir(), 0o750 | fs.ModeSetgid, "chatmaild", "vmail"},
	}
	if conf.ACME() {
		dirs = append(dirs,
			Directory{conf.ACMEDir(), 0o700, ACMEUser, ACMEUser},
			Directory{path.Join(conf.ACMEDir(), "live"), 0o700, ACMEUser, ACMEUser})
	}
	if conf.Echobot {
		dirs = append(dirs, Directory{config.EchoBot(conf).Dir(), 0o700, EchobotUser, EchobotUser})
	}
	if conf.Echobot && !config.Clustered(conf) { // of several, doveauth makes it at home
		dirs = append(dirs, Directory{config.EchoBot(conf).Mailbox(), 0o700, "vmail", "vmail"})
	}
	if config.Signs(conf) {
		dirs = append(dirs, Directory{DKIMDir, 0o700, "root", "root"})
	}
	return dirs
}

// generated is a file that comes from package packaging.
type generated struct {
	template string
	path     string
	unit     string
	when     func(view) bool // nil: always
}

// configurations are all that have one path on each machine.
var configurations = []generated{
	{"dovecot/dovecot.conf.tmpl", DovecotConf, Dovecot, func(v view) bool { return v.Dovecot != dovecot.V24 }},
	{"dovecot/dovecot-2.4.conf.tmpl", DovecotConf, Dovecot, func(v view) bool { return v.Dovecot == dovecot.V24 }},
	{"dovecot/push_notification.lua", "/etc/dovecot/chatmaild-push.lua", Dovecot, nil},
	{"dovecot/dovecot.service.tmpl", "/etc/systemd/system/dovecot.service.d/chatmaild.conf", Dovecot, nil},
	{"postfix/main.cf.tmpl", PostfixMain, Postfix, nil},
	{"postfix/master.cf.tmpl", PostfixMaster, Postfix, nil},
	{"postfix/chatmaild-header.regexp.tmpl", "/etc/postfix/chatmaild-header.regexp", Postfix, nil},
	{"postfix/chatmaild-sealed.regexp.tmpl", "/etc/postfix/chatmaild-sealed.regexp", Postfix, nil},
	{"postfix/chatmaild-delivery.regexp.tmpl", "/etc/postfix/chatmaild-delivery.regexp", Postfix, nil},
	{"postfix/chatmaild-login.regexp.tmpl", "/etc/postfix/chatmaild-login.regexp", Postfix, nil},
	{"postfix/chatmaild-tls-policy.regexp.tmpl", "/etc/postfix/chatmaild-tls-policy.regexp", Postfix, nil},
	{"nginx/nginx.conf.tmpl", "/etc/nginx/nginx.conf", Nginx, nil},
	{"journald/journald.conf.tmpl", "/etc/systemd/journald.conf.d/chatmaild.conf", Journald, nil},
	{"apt/52chatmaild.tmpl", "/etc/apt/apt.conf.d/52chatmaild", "", func(v view) bool { return v.UnattendedUpgrades }},
	{"needrestart/chatmaild.conf.tmpl", "/etc/needrestart/conf.d/chatmaild.conf", "", func(v view) bool { return v.Needrestart }},
}
