package lab

// oldListener stands for programs of the Python relay that hold ports: it holds those of
// its arguments.
const oldListener = `#!/usr/bin/python3
import signal, socket, sys

held = []
for kind, port in (argument.split(":") for argument in sys.argv[1:]):
    s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM if kind == "udp" else socket.SOCK_STREAM)
    s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    s.bind(("0.0.0.0", int(port)))
    if kind == "tcp":
        s.listen()
    held.append(s)
signal.pause()
`

// oldPorts are those that the programs hold, as ss(8) has them; with port 3478 and 3903,
// which the new relay takes over.
var oldPorts = []string{":10082", ":10083", ":3340"}

// oldGone are files of the Python relay that are elsewhere after an import, as
// pythonrelay.Files has them, and were there before.
var oldGone = []string{
	"/etc/acme/hooks/nginx", "/etc/chatmail-version", "/etc/cron.d/acmetool",
	"/etc/dkimkeys/KeyTable", "/etc/dkimkeys/SigningTable", "/etc/dovecot/auth.conf", "/etc/iroh-relay.toml",
	"/etc/mtail/delivered_mail.mtail", "/etc/mtail/filtermail.mtail",
	"/etc/postfix/login_map", "/etc/postfix/submission_header_cleanup",
	"/etc/systemd/system/dovecot.service.d/10_restart.conf",
	"/etc/systemd/system/opendkim.service.d/10-prevent-memory-leak.conf",
	"/etc/systemd/system/postfix@.service.d/10_restart.conf",
	"/usr/lib/cgi-bin/newemail.py",
	"/usr/local/bin/chatmail-turn", "/usr/local/bin/filtermail", "/usr/local/bin/iroh-relay", "/usr/local/bin/mtail",
	oldLib + "/dist", oldLib + "/venv",
}

// oldStays are files that are what they were after an import.
var oldStays = []string{
	"/etc/apt/apt.conf.d/00InstallRecommends", "/etc/apt/preferences.d/pin-dovecot", "/etc/environment", "/etc/mailname",
	"/etc/systemd/journald.conf", "/etc/unbound/unbound.conf.d/chatmail.conf",
	"/root/dovecot-core_2.3.21+dfsg1-3_amd64.deb", "/var/www/html/index.html", oldINI,
}

// oldLeftovers are files that the Python relay leaves and that are of no use to the other
// parts of the stand-in.
var oldLeftovers = map[string]string{
	"/etc/acme/hooks/nginx":                                              "#!/bin/sh\nsystemctl restart nginx\n",
	"/etc/apt/apt.conf.d/00InstallRecommends":                            "APT::Install-Recommends \"false\";\n",
	"/etc/apt/preferences.d/pin-dovecot":                                 "Package: dovecot-*\nPin: version *\nPin-Priority: -1\n",
	"/etc/environment":                                                   "TZ=:/etc/localtime\n",
	"/etc/iroh-relay.toml":                                               "enable_relay = true\n",
	"/etc/mtail/delivered_mail.mtail":                                    "counter delivered_mail\n",
	"/etc/mtail/filtermail.mtail":                                        "counter filtered_mail\n",
	"/etc/sysctl.conf":                                                   "# the operator's\nfs.inotify.max_user_instances = 65535\nfs.inotify.max_user_watches = 65535\n",
	"/etc/systemd/journald.conf":                                         "[Journal]\nMaxRetentionSec=3d\nStorage=volatile\n",
	"/etc/systemd/system/dovecot.service.d/10_restart.conf":              "[Service]\nRestart=always\nRestartSec=30\n",
	"/etc/systemd/system/opendkim.service.d/10-prevent-memory-leak.conf": "[Service]\nRestart=always\nRuntimeMaxSec=1d\n",
	"/etc/systemd/system/postfix@.service.d/10_restart.conf":             "[Service]\nRestart=always\nRestartSec=30\n",
	"/etc/unbound/unbound.conf.d/chatmail.conf":                          "server:\n  cache-max-negative-ttl: 0\n",
	"/root/dovecot-core_2.3.21+dfsg1-3_amd64.deb":                        "not a package\n",
	"/usr/lib/cgi-bin/newemail.py":                                       "#!" + oldLib + "/venv/bin/python3\n",
	"/usr/local/bin/chatmail-turn":                                       oldListener,
	"/usr/local/bin/filtermail":                                          oldListener,
	"/usr/local/bin/iroh-relay":                                          oldListener,
	"/usr/local/bin/mtail":                                               oldListener,
	oldLib + "/dist/chatmaild-0.3.tar.gz":                                "not an archive\n",
	oldLib + "/venv/bin/doveauth":                                        "#!/bin/sh\n",
}
