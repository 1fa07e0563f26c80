package desired

import (
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"chatmaild/applets/config"
	"chatmaild/packaging/dovecot"
)

var paths = Paths{"/tls/cert.pem", "/tls/key.pem", "/etc/dkimkeys/opendkim.private"}

func load(t *testing.T, text string) *config.Config {
	t.Helper()
	conf, err := config.Parse("test.toml", text)
	if err != nil {
		t.Fatal(err)
	}
	return conf
}

// find returns the content of a file, and whether it is wanted at all.
func find(t *testing.T, files []File, path string) (content string, wanted bool) {
	t.Helper()
	i := slices.IndexFunc(files, func(f File) bool { return f.Path == path })
	if i < 0 || files[i].Absent {
		return "", false
	}
	return string(files[i].Content), true
}

func TestFiles(t *testing.T) {
	const name = "mail_domain = \"chat.example.org\"\n"
	const literal, literal6 = `mail_domain = "192.0.2.7"`, `mail_domain = "2001:db8::7"`
	const hidden = name + "hidden = true\nregistration = \"invite\"\n"
	const guest = "mail_domain = \"example.org\"\nhostname = \"chat.example.org\"\n"
	tests := []struct {
		name, config, path string
		has, hasNot        string
	}{
		{"domain", name, "/etc/postfix/main.cf", "\nmydestination = chat.example.org\n", ""},
		{"literal", `mail_domain = "192.0.2.7"`, "/etc/postfix/main.cf", "\nmydestination = [192.0.2.7]\n", "milter"},
		{"host name", name, "/etc/postfix/main.cf", "\nmyhostname = chat.example.org\n", ""},
		{"literal's host name", `mail_domain = "192.0.2.7"`, "/etc/postfix/main.cf", "\nmyhostname = 7.2.0.192.in-addr.arpa\n", ""},
		{"log", name, "/etc/systemd/system/dovecot.service.d/chatmaild-log.conf", "\nBindReadOnlyPaths=/run/chatmaild/log:/run/systemd/journal\n", "postfix"},
		{"log of Postfix's chroot", name, "/etc/systemd/system/postfix@-.service.d/chatmaild-log.conf", "\nBindReadOnlyPaths=/run/chatmaild/log:/var/spool/postfix/dev\n", ""},
		{"the transport delivers", name, "/etc/postfix/main.cf", "\ndefault_transport = outward:unix:private/transport\n", "milter"},
		{"and signs", name, "/etc/postfix/master.cf", "\noutward    unix ", "handback"},
		{"Postfix delivers", name + `transport = "postfix"`, "/etc/postfix/main.cf", "\ndefault_transport = outward:unix:private/transport\n", "milter"},
		{"what was signed before", name + `transport = "postfix"`, "/etc/postfix/master.cf", "\nhandback   unix ", "milter"},
		{"nothing passes through the transport", `mail_domain = "192.0.2.7"` + "\ntransport = \"postfix\"", "/etc/systemd/system/chatmaild-transport.service.d/condition.conf", "ConditionPathExists=!", ""},
		{"nothing is signed, and Postfix delivers", `mail_domain = "192.0.2.7"` + "\ntransport = \"postfix\"", "/etc/postfix/main.cf", "", "default_transport"},
		{"with the key of its selector", name + "dkim_selector = \"other\"", "/etc/systemd/system/chatmaild-transport.service.d/dkim.conf",
			"LoadCredential=\nLoadCredential=dkim:/etc/dkimkeys/other.private\n", ""},
		{"a literal has no key", `mail_domain = "192.0.2.7"`, "/etc/systemd/system/chatmaild-transport.service.d/dkim.conf", "LoadCredential=\n", "dkim:"},
		{"mail by HTTPS", name + "max_message_size = 1000000", "/etc/nginx/nginx.conf", "client_max_body_size 1000000;", ""},
		{"a client of HTTPS", name + "filtermail_max_in_flight = 50", "/etc/nginx/nginx.conf", "limit_conn mxdelivs 10;", ""},
		{"literal is where it sends from", literal, "/etc/postfix/master.cf", "-o inet_protocols=ipv4\n  -o smtp_bind_address=192.0.2.7\n", "address6"},
		{"a router puts it there", `mail_domain = "198.51.100.1"`, "/etc/postfix/master.cf", "-o inet_protocols=ipv4\n", "bind_address"},
		{"IPv6 literal is where it sends from", literal6, "/etc/postfix/master.cf", "-o inet_protocols=ipv6\n  -o smtp_bind_address6=2001:db8::7\n", ""},
		{"IPv6 literal", literal6, "/etc/postfix/main.cf", "\nmydestination = [ipv6:2001:db8::7]\n", "milter"},
		{"IPv6 literal's host name", literal6, "/etc/postfix/main.cf", "\nmyhostname = 7.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.ip6.arpa\n", ""},
		{"IPv6 literal's web server", literal6, "/etc/nginx/nginx.conf", "return 301 https://[2001:db8::7]$request_uri;", "server_name www"},
		{"IPv6 literal's TURN server, of which clients cannot be told", literal6, "/etc/systemd/system/chatmaild-turn.socket.d/condition.conf", "ConditionPathExists=!", ""},
		{"a name sends from anywhere", name, "/etc/postfix/master.cf", "", "inet_protocols"},
		{"IPv6", name, "/etc/dovecot/dovecot.conf", "listen = *, ::\n", ""},
		{"no IPv6", name + "disable_ipv6 = true", "/etc/dovecot/dovecot.conf", "listen = 0.0.0.0\n", "::"},
		{"no IPv6 in nginx", name + "disable_ipv6 = true", "/etc/nginx/nginx.conf", "listen 443;", "[::]"},
		{"no IPv6 on other ports", name + "disable_ipv6 = true\nextra_ports = [2053]", "/etc/nginx/nginx.conf", "listen 2053;", "[::]"},
		{"another server's site", name + `other_sites = ["www.example.net 127.0.0.1:9443"]`, "/etc/nginx/nginx.conf", "www.example.net  127.0.0.1:10443;", "10444"},
		{"with the PROXY protocol", name + `other_sites = ["www.example.net 127.0.0.1:9443 proxy-protocol"]`, "/etc/nginx/nginx.conf", "www.example.net  127.0.0.1:9443;", "X-Forwarded-Proto"},
		{"its port 80", name + `other_sites = ["www.example.net 127.0.0.1:9443 127.0.0.1:9080"]`, "/etc/nginx/nginx.conf", "proxy_pass http://127.0.0.1:9080;", ""},
		{"behind a machine in front", name + "proxy_addresses = [\"192.0.2.1\"]\nother_sites = [\"www.example.net 127.0.0.1:9443\"]", "/etc/nginx/nginx.conf",
			"listen 20443;\n        listen [::]:20443;\n        allow 192.0.2.1;\n        deny all;\n        proxy_pass 127.0.0.1:10444;", ""},
		{"a guest's own domain", guest + `other_sites = ["example.org 127.0.0.1:9443"]`, "/etc/nginx/nginx.conf", "        example.org  127.0.0.1:10443;", ""},
		{"a guest's mail", guest, "/etc/postfix/main.cf", "\nmydestination = example.org\n", ""},
		{"a guest's host name", guest, "/etc/postfix/main.cf", "\nmyhostname = chat.example.org\n", ""},
		{"a guest's web server", guest, "/etc/nginx/nginx.conf", "server_name chat.example.org mta-sts.example.org autoconfig.example.org;", "www."},
		{"who asks for more than others", name, "/etc/nginx/nginx.conf", "map $remote_addr $network {", "forwarded_for"},
		{"through a web server in front", name + `proxy_addresses = ["192.0.2.1"]`, "/etc/nginx/nginx.conf", "map $client $network {", "map $remote_addr"},
		{"port 25", name, "/etc/postfix/master.cf", "       200     smtpd\n", ""},
		{"one client of port 25", name, "/etc/postfix/master.cf", "smtpd_client_connection_count_limit=20\n", ""},
		{"users do not come to Postfix", name + "websocket = true\nproxy_addresses = [\"192.0.2.1\"]", "/etc/postfix/master.cf", "", "sasl"},
		{"nor to its ports", name + "websocket = true\nproxy_addresses = [\"192.0.2.1\"]", "/etc/postfix/master.cf", "", "587"},
		{"users without IPv6", name + "disable_ipv6 = true", "/etc/systemd/system/chatmaild-submission.socket.d/listen.conf", "ListenStream=\nListenStream=0.0.0.0:587\n", ""},
		{"the same with TLS", name + "disable_ipv6 = true", "/etc/systemd/system/chatmaild-submissions.socket.d/listen.conf", "ListenStream=\nListenStream=0.0.0.0:465\n", ""},
		{"many users' connections", name + "max_smtp_connections = 20000", "/etc/systemd/system/chatmaild-filtermail-out.service.d/memory.conf", "\nMemoryMax=1026M\n", ""},
		{"files for them", name + "max_smtp_connections = 20000", "/etc/systemd/system/chatmaild-filtermail-out.service.d/files.conf", "\nLimitNOFILE=20912\n", ""},
		{"a certificate's copy elsewhere", name + "state_dir = \"/home/state\"", "/etc/systemd/system/chatmaild-filtermail-out.service.d/certificate.conf", "BindReadOnlyPaths=-/home/state/submission\n", ""},
		{"who writes it", name + "state_dir = \"/srv/state\"", "/etc/systemd/system/chatmaild-certificate.service.d/certificate.conf", "ReadWritePaths=-/srv/state/submission\n", ""},
		{"little at once", name + "filtermail_max_in_flight = 1", "/etc/postfix/master.cf", "smtpd_client_connection_count_limit=1\n", ""},
		{"filter ports", name + "filtermail_smtp_port_incoming = 11111", "/etc/postfix/master.cf", "smtpd_proxy_filter=127.0.0.1:11111", ""},
		{"instant idle", name, "/etc/dovecot/dovecot.conf", "LD_PRELOAD=" + InstantIdleLibrary, ""},
		{"stock idle", name + "imap_instant_idle = false", "/etc/dovecot/dovecot.conf", "", "LD_PRELOAD"},
		{"hibernation", name, "/etc/dovecot/dovecot.conf", "imap_hibernate_timeout = 10s", "imap_zlib"},
		{"compression", name + "imap_compress = true", "/etc/dovecot/dovecot.conf", "imap_zlib", "imap_hibernate_timeout"},
		{"admin contact", name + `privacy_mail = "op@example.org"`, "/etc/dovecot/dovecot.conf", "mail_server_admin = mailto:op@example.org", ""},
		{"size limits", name + "max_message_size = 1048576", "/etc/postfix/master.cf", "message_size_limit=1048576\n", ""},
		{"much at once", name + "filtermail_max_in_flight = 4000", "/etc/systemd/system/chatmaild-filtermail-in.service.d/memory.conf", "\nMemoryMax=1064M\n", ""},
		{"nobody in front, Postfix", name, "/etc/postfix/master.cf", "\nsmtp       inet", "10225"},
		{"iroh relay", name, "/etc/nginx/nginx.conf", "        location = /relay {\n            proxy_pass http://iroh;", ""},
		{"no WebSockets", name, "/etc/nginx/nginx.conf", "", "websocket"},
		{"WebSockets", name + "websocket = true", "/etc/nginx/nginx.conf", "location ~ ^(/imap|/smtp)$ {", ""},
		{"WebSockets, Dovecot", name + "websocket = true", "/etc/dovecot/dovecot.conf", "port = 10143\n", ""},
		{"iroh relay elsewhere", name + `iroh_relay = "https://iroh.example"`, "/etc/nginx/nginx.conf", "", "iroh"},
		{"iroh relay that is ours", name + `iroh_relay = "https://www.chat.example.org/"`, "/etc/nginx/nginx.conf", "server unix:/run/chatmaild/iroh.socket;", ""},
		{"no iroh relay", name + `iroh = "off"`, "/etc/nginx/nginx.conf", "", "iroh"},
		{"no iroh relay where the certificate is self-signed", `mail_domain = "_chat.example"`, "/etc/nginx/nginx.conf", "", "iroh"},
		{"no iroh relay, no socket", name + `iroh = "off"`, "/etc/systemd/system/chatmaild-iroh.socket.d/condition.conf", "ConditionPathExists=!", ""},
		{"nobody in front, nginx", name, "/etc/nginx/nginx.conf", "listen 443;", "20025"},
		{"proxy, Postfix", name + `proxy_addresses = ["192.0.2.1"]`, "/etc/postfix/master.cf", "\n127.0.0.1:10225 inet", ""},
		{"proxy, submission", name + `proxy_addresses = ["192.0.2.1"]`, "/etc/nginx/nginx.conf", "proxy_pass 127.0.0.1:10587;", ""},
		{"proxy, Dovecot", name + `proxy_addresses = ["192.0.2.1"]`, "/etc/dovecot/dovecot.conf", "port = 10143\n", ""},
		{"proxy, nginx", name + `proxy_addresses = ["192.0.2.1"]`, "/etc/nginx/nginx.conf", "allow 192.0.2.1;\n        deny all;\n        proxy_pass 127.0.0.1:10225;", ""},
		{"no notes to the postmaster", name, "/etc/postfix/main.cf", "\nnotify_classes =\n", ""},
		{"hidden, before a login", hidden, "/etc/dovecot/dovecot.conf", "/imap-login -o imap_capability= chatmaild/login\n", "mail_server_comment"},
		{"hidden, port 443", hidden, "/etc/nginx/nginx.conf", "        proxy_pass 127.0.0.1:8443;\n        proxy_timeout 40m;\n    }\n}\n", "proxy_pass $chatmail_server"},
		{"hidden, other ports", hidden + "extra_ports = [2053]", "/etc/nginx/nginx.conf", "        listen 2053;\n        listen [::]:2053;\n        ssl_preread on;", "listen 443;\n        listen [::]:443;\n        listen 2053"},
		{"hidden, pages", hidden, "/etc/nginx/nginx.conf", "        root /usr/share/nginx/html;\n", "add_header"},
		{"hidden, the operator's pages", hidden + "www_folder = \"/srv/www\"", "/etc/nginx/nginx.conf", "        root /var/www/chatmaild;\n", "/usr/share"},
		{"hidden, paths of other relays", hidden, "/etc/nginx/nginx.conf", "location = /new {", "mxdeliv {"},
		{"hidden, no iroh relay and no metrics", hidden, "/etc/nginx/nginx.conf", "", "proxy_pass http://metrics"},
		{"hidden, no TURN server", hidden, "/etc/systemd/system/chatmaild-turn.socket.d/condition.conf", "ConditionPathExists=!", ""},
		{"queue limit", name + "max_message_size = 1048576", "/etc/postfix/main.cf", "message_size_limit = 1114112\n", ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			files, err := Files(load(t, tt.config), paths, Machine{
				Release: Bookworm, Dovecot: dovecot.V23, Processors: 2,
				Addresses: []netip.Addr{netip.MustParseAddr("192.0.2.7"), netip.MustParseAddr("2001:db8::7")},
			})
			if err != nil {
				t.Fatal(err)
			}
			text, ok := find(t, files, tt.path)
			if !ok || !strings.Contains(text, tt.has) {
				t.Errorf("%s lacks %q:\n%s", tt.path, tt.has, text)
			}
			if tt.hasNot != "" && strings.Contains(text, tt.hasNot) {
				t.Errorf("%s has %q:\n%s", tt.path, tt.hasNot, text)
			}
		})
	}
}

// TestReleases has on each Debian what its servers understand.
// TestExtraPorts has the configuration refuse the ports of our own servers.
func TestExtraPorts(t *testing.T) {
	conf := config.Defaults()
	conf.MailDomain, conf.ProxyAddresses = "chat.example.org", []string{"192.0.2.1"}
	for _, p := range Ports(conf) {
		text := fmt.Sprintf("mail_domain = %q\nextra_ports = [%d]\n", conf.MailDomain, p.Port)
		if _, err := config.Parse("chatmail.toml", text); err == nil {
			t.Errorf("port %d, %s, can be one of extra_ports", p.Port, p.Job)
		}
	}
	conf.ExtraPorts = []int{2053}
	if !slices.Contains(OpenPorts(conf), 2053) || slices.Contains(PublicPorts(), 2053) {
		t.Errorf("got %v open, and %v by default", OpenPorts(conf), PublicPorts())
	}
}

func TestReleases(t *testing.T) {
	for _, tt := range []struct {
		release           Release
		path, has, hasNot string
	}{
		{Bookworm, "/etc/nginx/nginx.conf", "ssl http2 proxy_protocol", "http2 on"},
		{Trixie, "/etc/nginx/nginx.conf", "\n    http2 on;\n", "ssl http2"},
		{Bookworm, "/etc/systemd/system/postfix@-.service.d/chatmaild.conf", "Restart=always", ""},
		{Trixie, "/etc/systemd/system/postfix.service.d/chatmaild.conf", "Restart=always", ""},
	} {
		files, err := Files(load(t, `mail_domain = "chat.example.org"`), paths, Machine{Release: tt.release, Dovecot: dovecot.V24, Processors: 2})
		if err != nil {
			t.Fatal(err)
		}
		text, ok := find(t, files, tt.path)
		if !ok || !strings.Contains(text, tt.has) || tt.hasNot != "" && strings.Contains(text, tt.hasNot) {
			t.Errorf("Debian %d: %s lacks %q, or has %q:\n%s", tt.release, tt.path, tt.has, tt.hasNot, text)
		}
		if tt.release.PostfixInstance() != Postfix {
			_, ok = find(t, files, "/etc/systemd/system/postfix.service.d/chatmaild.conf")
		} else {
			_, ok = find(t, files, "/etc/systemd/system/postfix@-.service.d/chatmaild.conf")
		}
		if ok {
			t.Errorf("Debian %d has a drop-in of the other one's Postfix", tt.release)
		}
	}
}

// TestDovecots has the configuration that the installed Dovecot understands: upstream's
// fork of 2.3 is on Debian 13, too.
func TestDovecots(t *testing.T) {
	for _, tt := range []struct {
		release     Release
		version     dovecot.Version
		has, hasNot string
	}{
		{Bookworm, dovecot.V23, "\nprotocols = imap lmtp\n", "dovecot_config_version"},
		{Trixie, dovecot.V24, "\ndovecot_config_version = 2.4.0\n", "%u"},
		{Trixie, dovecot.V23, "\nprotocols = imap lmtp\n", "dovecot_config_version"},
		{Bookworm, dovecot.V24, "\ndovecot_config_version = 2.4.0\n", "%u"},
	} {
		files, err := Files(load(t, `mail_domain = "chat.example.org"`), paths, Machine{Release: tt.release, Dovecot: tt.version, Processors: 2})
		if err != nil {
			t.Fatal(err)
		}
		if text, ok := find(t, files, "/etc/dovecot/dovecot.conf"); !ok || !strings.Contains(text, tt.has) || strings.Contains(text, tt.hasNot) {
			t.Errorf("Debian %d, Dovecot %v: lacks %q, or has %q:\n%s", tt.release, tt.version, tt.has, tt.hasNot, text)
		}
	}
}

func TestEveryFileSaysWhereItComesFrom(t *testing.T) {
	files, err := Files(load(t, `mail_domain = "chat.example.org"`), paths, Machine{Release: Bookworm, Dovecot: dovecot.V23, Processors: 2})
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		if f.Absent {
			continue
		}
		first, _, _ := strings.Cut(string(f.Content), "\n")
		if !strings.Contains(first, "chatmaild run") || !strings.Contains(first, config.DefaultPath) {
			t.Errorf("%s starts with %q", f.Path, first)
		}
		if strings.Contains(string(f.Content), "<no value>") {
			t.Errorf("%s has a hole:\n%s", f.Path, f.Content)
		}
	}
}

func TestDropinsOnlyForWhatIsMoved(t *testing.T) {
	files, err := Files(load(t, `mail_domain = "chat.example.org"`), paths, Machine{Release: Bookworm, Dovecot: dovecot.V23, Processors: 2})
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		if strings.HasPrefix(f.Path, "/etc/systemd/system/chatmaild-") && !f.Absent {
			t.Errorf("%s is there with the defaults", f.Path)
		}
	}
	files, err = Files(load(t, `
mail_domain = "chat.example.org"
filtermail_smtp_port = 11111
mailboxes_dir = "/srv/mail"
runtime_dir = "/run/other"
state_dir = "/srv/state"
`), paths, Machine{Release: Bookworm, Dovecot: dovecot.V23, Processors: 2})
	if err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]string{
		"/etc/systemd/system/chatmaild-filtermail-out.socket.d/listen.conf": "ListenStream=127.0.0.1:11111\n",
		"/etc/systemd/system/chatmaild-auth-userdb.socket.d/listen.conf":    "ListenStream=/run/other/auth-userdb.socket\n",
		"/etc/systemd/system/chatmaild-lastlogin.service.d/folders.conf":    "BindPaths=/srv/mail\n",
		"/etc/systemd/system/chatmaild-lastlogin.service.d/runtime.conf":    "RuntimeDirectory=other/lastlogin\n",
		"/etc/systemd/system/chatmaild-echobot.service.d/folders.conf":      "BindPaths=-/srv/state/echobot\n",
	} {
		if text, ok := find(t, files, path); !ok || !strings.Contains(text, want) {
			t.Errorf("%s: got %q, want %q in it", path, text, want)
		}
	}
	if _, ok := find(t, files, "/etc/systemd/system/chatmaild-filtermail-in.socket.d/listen.conf"); ok {
		t.Error("filtermail-in has a drop-in, but was not moved")
	}
}

func TestCheckRuntimeDir(t *testing.T) {
	for dir, good := range map[string]bool{"/run/chatmaild": true, "/run/a/b": true, "/run": false, "/srv/run": false, "/runs/a": false} {
		if err := CheckRuntimeDir(&config.Config{RuntimeDir: dir}, "x.toml"); (err == nil) != good {
			t.Errorf("%s: got %v", dir, err)
		}
	}
}

// TestSocketServices has each socket's Service=, or else the service of its name, as
// systemd reads it: systemctl fails for a unit that does not exist.
func TestSocketServices(t *testing.T) {
	for _, socket := range slices.Concat(SocketUnits(), SubmissionSockets()) {
		text, err := os.ReadFile(filepath.Join("../../../packaging/systemd", socket))
		if err != nil {
			t.Fatal(err)
		}
		want := strings.TrimSuffix(socket, ".socket") + ".service"
		for line := range strings.Lines(string(text)) {
			if name, ok := strings.CutPrefix(strings.TrimSpace(line), "Service="); ok {
				want = name
			}
		}
		if got := SocketService(socket); got != want {
			t.Errorf("%s: got %s, want %s", socket, got, want)
		}
	}
}
