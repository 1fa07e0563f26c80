package pythonrelay

// Where the Python relay has what is not in its chatmail.ini.
const (
	INI          = "/usr/local/lib/chatmaild/chatmail.ini"
	WWWRoot      = "/var/www/html"
	OldPasswords = "/home/vmail/passdb.sqlite" // before 2024; since then they are in the mailboxes
	Pending      = "pending_notifications"     // in mailboxes_dir
	EchobotState = "/var/lib/echobot"
	DovecotPin   = "/etc/apt/preferences.d/pin-dovecot"
	SelfSigned   = "/etc/ssl/certs/mailserver.pem"
	SelfKey      = "/etc/ssl/private/mailserver.key"
	Acmetool     = "/var/lib/acme"
)

// Unit is a systemd unit of the Python relay.
type Unit struct {
	Name string
	Job  string // what does it from now on
}

// Units are those that cmdeploy makes or has made over its releases, and those of
// Debian packages that it alone needs. They are stopped in this order.
var Units = []Unit{
	{"chatmail-expire.timer", "chatmaild-expire.timer"},
	{"chatmail-expire.service", "chatmaild-expire.service"},
	{"expunge.timer", "chatmaild-expire.timer"},
	{"expunge.service", "chatmaild-expire.service"},
	{"chatmail-fsreport.timer", "chatmaild report"},
	{"chatmail-fsreport.service", "chatmaild report"},
	{"metrics.timer", "chatmaild metrics"},
	{"metrics.service", "chatmaild metrics"},
	{"mtail.service", "chatmaild metrics"},
	{"acmetool-reconcile.timer", "chatmaild-acme.service"},
	{"acmetool-reconcile.service", "chatmaild-acme.service"},
	{"acmetool.timer", "chatmaild-acme.service"},
	{"acmetool.service", "chatmaild-acme.service"},
	{"acmetool-redirector.service", "chatmaild-acme.service"},
	{"tls-cert-reload.path", "chatmaild-certificate.path"},
	{"tls-cert-reload.service", "chatmaild-certificate.service"},
	{"echobot.service", "chatmaild-echobot.service"},
	{"greeterbot.service", "nothing"},
	{"filtermail.service", "chatmaild-filtermail-out.service"},
	{"filtermail-incoming.service", "chatmaild-filtermail-in.service"},
	{"filtermail-transport.service", "chatmaild-transport.service"},
	{"opendkim.service", "chatmaild-transport.service"},
	{"filtermail-before.service", "chatmaild-filtermail-out.service"},
	{"filtermail-after.service", "chatmaild-filtermail-in.service"},
	{"mta-sts-daemon.service", "chatmaild-transport.service"},
	{"doveauth.service", "chatmaild-doveauth.service"},
	{"doveauth-dictproxy.service", "chatmaild-doveauth.service"},
	{"chatmail-metadata.service", "chatmaild-metadata.service"},
	{"lastlogin.service", "chatmaild-lastlogin.service"},
	{"turnserver.service", "chatmaild-turn.service"},
	{"iroh-relay.service", "chatmaild-iroh.service"},
	{"fcgiwrap.service", "chatmaild-web.service"},
	{"fcgiwrap.socket", "chatmaild-web.service"},
	{"websockify-imap.service", "nothing"},
	{"websockify-submission.service", "nothing"},
}

// Staying are units that other programs rely on too; cmdeploy set them up, and they
// continue as they are.
var Staying = []Unit{
	{"unbound.service", "/etc/resolv.conf names it"},
}

// Programs are the names, as the kernel has them, of the programs behind Units: they
// give up their ports.
var Programs = []string{"filtermail", "acmetool", "python3", "doveauth", "fcgiwrap", "iroh-relay", "chatmail-turn", "mtail"}

// Configured are the files and directories whose content a relay's set-up replaces. They
// are kept whole before a takeover, and put back when it is undone.
var Configured = []string{
	"/etc/postfix", "/etc/dovecot", "/etc/nginx", "/etc/opendkim.conf", "/etc/opendkim", "/etc/dkimkeys",
	"/etc/systemd/system/dovecot.service.d", "/etc/systemd/system/opendkim.service.d",
	"/etc/systemd/journald.conf", "/etc/systemd/journald.conf.d", "/etc/mailname", "/etc/sysctl.conf",
}
