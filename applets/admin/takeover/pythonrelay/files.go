package pythonrelay

import "strings"

// FileFate is what becomes of a file of the Python relay.
type FileFate int

// The fates. Nothing is deleted: an undo needs it.
const (
	Stays    FileFate = iota // it is of use here, or to others on the machine
	Replaced                 // chatmaild run writes its own; the old one is kept
	Moved                    // aside, beside the kept ones
	Edited                   // loses lines; the old one is kept
)

// String is the fate in one word.
func (f FileFate) String() string { return [...]string{"stays", "replaced", "moved", "edited"}[f] }

// File is what the Python relay leaves on a machine beside its units.
type File struct {
	Path string // as path.Match reads it; a directory goes with all that is in it
	Fate FileFate
	Why  string
}

const (
	noProgram    = "no unit starts it any more"
	halfDownload = "an interrupted download"
	ownMaps      = "chatmaild has its own"
	itSigns      = "chatmaild-transport.service signs"
)

// Files are those that cmdeploy and filtermail write, and have written over their
// releases: up to cmdeploy's pull request 1045, of 2026-08-26, some weeks before 1.13.0.
var Files = []File{
	{INI, Stays, "import reads it, also after an undo"},
	{"/usr/local/lib/chatmaild/dist", Moved, noProgram},
	{"/usr/local/lib/chatmaild/venv", Moved, noProgram},
	{"/usr/local/lib/postfix-mta-sts-resolver", Moved, noProgram},
	{"/usr/local/bin/filtermail", Moved, noProgram},
	{"/usr/local/bin/chatmail-turn", Moved, noProgram},
	{"/usr/local/bin/iroh-relay", Moved, noProgram},
	{"/usr/local/bin/mtail", Moved, noProgram},
	{"/usr/local/bin/chatmail-turn.new", Moved, halfDownload},
	{"/usr/local/bin/iroh-relay.new", Moved, halfDownload},
	{"/usr/local/bin/mtail.new", Moved, halfDownload},
	{"/usr/lib/cgi-bin/newemail.py", Moved, "chatmaild-web.service creates accounts"},
	{"/root/dovecot-*.deb", Stays, "they are the Dovecot that is installed"},

	{"/etc/postfix/main.cf", Replaced, ""},
	{"/etc/postfix/master.cf", Replaced, ""},
	{"/etc/postfix/login_map", Moved, ownMaps},
	{"/etc/postfix/submission_header_cleanup", Moved, ownMaps},
	{"/etc/postfix/lmtp_header_cleanup", Moved, ownMaps},
	{"/etc/postfix/smtp_tls_policy_map", Moved, ownMaps},
	{"/etc/postfix/smtp_tls_policy_map.db", Moved, ownMaps},
	{"/etc/mta-sts-daemon.yml", Moved, noProgram},
	{"/etc/dovecot/dovecot.conf", Replaced, ""},
	{"/etc/dovecot/auth.conf", Moved, "doveauth is the authentication server"},
	{"/etc/dovecot/push_notification.lua", Moved, ownMaps},
	{"/etc/dovecot/default.sieve", Moved, "no mail is sorted"},
	{"/etc/nginx/nginx.conf", Replaced, ""},
	{"/etc/opendkim.conf", Moved, itSigns},
	{"/etc/opendkim/screen.lua", Moved, itSigns},
	{"/etc/opendkim/final.lua", Moved, itSigns},
	{"/etc/dkimkeys/KeyTable", Moved, ownMaps},
	{"/etc/dkimkeys/SigningTable", Moved, ownMaps},
	{"/etc/dkimkeys/*.private", Stays, "its public half is in the DNS"},
	{"/etc/dkimkeys/*.txt", Stays, "its public half is in the DNS"},
	{"/etc/iroh-relay.toml", Moved, noProgram},
	{"/home/iroh-relay", Moved, noProgram},
	{"/etc/mtail/delivered_mail.mtail", Moved, noProgram},
	{"/etc/mtail/filtermail.mtail", Moved, noProgram},

	{"/etc/acme/hooks/nginx", Moved, "chatmaild-certificate.service reloads the servers"},
	{"/usr/lib/acme/hooks/nginx", Moved, "chatmaild-certificate.service reloads the servers"},
	{Acmetool, Stays, "chatmaild run takes the account and the key from there"},
	{SelfSigned, Stays, "it is copied"},
	{SelfKey, Stays, "it is copied"},
	{WWWRoot, Stays, "chatmaild serves its pages from another directory"},

	{"/etc/systemd/system/postfix@.service.d/10_restart.conf", Moved, "chatmaild run has Postfix restarted sooner"},
	{"/etc/systemd/system/postfix.service.d/10_restart.conf", Moved, "chatmaild run has Postfix restarted sooner"},
	{"/etc/systemd/system/dovecot.service.d/10_restart.conf", Moved, "chatmaild run has Dovecot restarted sooner"},
	{"/etc/systemd/system/opendkim.service.d/10-prevent-memory-leak.conf", Moved, itSigns},
	{"/etc/systemd/system/systemd-resolved.service", Stays, "it is masked, and /etc/resolv.conf names another"},
	{"/etc/systemd/journald.conf", Stays, "it keeps the log in memory; how long, chatmaild run says"},
	{"/etc/cron.d/acmetool", Moved, "chatmaild-acme.service renews"},
	{"/etc/cron.d/expunge", Moved, "chatmaild-expire.timer deletes"},
	{"/etc/cron.d/chatmail-metrics", Moved, "chatmaild-metrics.service counts"},

	{"/etc/sysctl.conf", Edited, "its limits of inotify, if lower, would win over those of the package at the next boot"},
	{"/etc/resolv.conf", Stays, "it names unbound, which keeps running"},
	{"/etc/unbound/unbound.conf.d/chatmail.conf", Stays, "unbound keeps running"},
	{"/etc/environment", Stays, "TZ there is right for all programs"},
	{"/etc/mailname", Stays, "it is this machine's"},
	{"/etc/chatmail-nocreate", Stays, "it means the same to chatmaild"},
	{"/etc/chatmail-version", Moved, "another relay's"},
	{"/etc/apt/apt.conf.d/00InstallRecommends", Stays, "without it, the next upgrade would install other packages"},
	{DovecotPin, Stays, "without it, the next upgrade would install another Dovecot"},
	{"/etc/apt/keyrings/obs-home-deltachat.gpg", Stays, "apt may have a source of that key"},
}

// User is one that cmdeploy creates and nothing needs any more. It stays: another user
// could get its number, and with that what it still owns.
const User = "iroh"

// inotifyLimit is what cmdeploy sets both limits of inotify to.
const inotifyLimit = "65535"

// WithoutSysctls is a sysctl.conf without the lines that cmdeploy has added. The limit of
// watches is below that of the package, which this file overrules at boot.
func WithoutSysctls(text string) string {
	var kept strings.Builder
	for line := range strings.Lines(text) {
		name, value, _ := strings.Cut(line, "=")
		if strings.HasPrefix(strings.TrimSpace(name), "fs.inotify.max_user_") && strings.TrimSpace(value) == inotifyLimit {
			continue
		}
		kept.WriteString(line)
	}
	return kept.String()
}
