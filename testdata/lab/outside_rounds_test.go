package lab

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"chatmaild/applets/admin/selftest"
	"chatmaild/testdata/lab/debian"
)

// round is what is broken at one time, and how it is seen.
type round struct {
	name   string
	alone  bool // without the other relay
	slow   bool
	hidden bool                  // expects that nothing says what the relay is
	invite string                // its token
	zone   func(*outsider) error // changes the DNS
	lines  string                // of sh, on the relay
	there  string                // of sh, on the other relay
	want   string                // the checks that fail, in their order
	noted  string                // those that only take a note
}

// restart is what a round does at its end, so that all servers know. Both names of
// Postfix's unit are said: where it is a name only, systemd does not wait for it.
const restart = `
	systemctl restart dovecot nginx chatmaild-filtermail-in chatmaild-filtermail-out postfix 'postfix@*'`

// postfixServes has Postfix take mail from users in place of filtermail-out, as it did on
// earlier relays, with further options of port 465.
func postfixServes(options string) string {
	const service = `inet n - y - 100 smtpd
  -o smtpd_sasl_auth_enable=yes -o smtpd_relay_restrictions=permit_sasl_authenticated,reject`
	return `
	systemctl stop chatmaild-submission.socket chatmaild-submissions.socket chatmaild-filtermail-out.service 'chatmaild-auth-*.socket' chatmaild-doveauth.service
	systemctl start chatmaild-auth-sasl.socket
	systemctl start chatmaild-doveauth.service
	printf '%s\n' '587 ` + service + `' '465 ` + service + ` -o smtpd_tls_wrappermode=yes ` + options + `' >>/etc/postfix/master.cf`
}

// A dovecotSpelling is how a version of Dovecot has the settings that some rounds add: for
// printf(1).
type dovecotSpelling struct {
	capabilities, cleartextLogins, certificate string
}

var dovecotSpellings = map[debian.Suite]dovecotSpelling{
	debian.Bookworm: {
		capabilities:    `imap_capability = +XDELTAPUSH`,
		cleartextLogins: `disable_plaintext_auth = no`,
		certificate:     `ssl_cert = </etc/ssl/elsewhere.pem\nssl_key = </etc/ssl/elsewhere.key`,
	},
	debian.Trixie: {
		capabilities:    `imap_capability {\n  XCHATMAIL = no\n}`,
		cleartextLogins: `auth_allow_cleartext = yes`,
		certificate:     `ssl_server_cert_file = /etc/ssl/elsewhere.pem\nssl_server_key_file = /etc/ssl/elsewhere.key`,
	},
}

// wrongAuth puts a doveauth with a fault in the place of the real one.
func wrongAuth(fault string) string {
	return `
	install -d ` + wrongAuthDropIn + `
	printf '%s\n' '[Service]' ExecStart= 'ExecStart=` + wrongAuthProgram + ` ` + fault + `' >` + wrongAuthDropIn + `/fault.conf
	systemctl daemon-reload
	systemctl restart chatmaild-doveauth`
}

const (
	wrongAuthProgram = "/usr/local/sbin/wrongauth"
	wrongAuthDropIn  = "/run/systemd/system/chatmaild-doveauth.service.d"
)

// rounds break what an operator can break, and whatever else a check is there to see.
// What shares a round has nothing to do with each other. That each check can fail alone
// is shown by applets/admin/selftest.
func rounds(suite debian.Suite) []round {
	dovecot := dovecotSpellings[suite]
	return []round{
		{
			name: "records, pages, headers",
			zone: func(o *outsider) error {
				o.lab.Zone.Remove(o.relay.Domain, "TXT")
				o.lab.Zone.Remove("_mta-sts."+o.relay.Domain, "TXT")
				o.lab.Zone.Remove("_dmarc."+o.relay.Domain, "TXT")
				return errors.Join(o.lab.Zone.Set(o.relay.Domain, "MX", "10 elsewhere.test"), o.otherKey())
			},
			lines: `
	cd /var/www/chatmaild
	rm index.html .well-known/autoconfig/mail/config-v1.1.xml .well-known/mta-sts.txt
	: >/etc/postfix/chatmaild-header.regexp; : >/etc/postfix/chatmaild-delivery.regexp
	systemctl stop chatmaild-metadata.socket chatmaild-metadata.service
	printf '` + dovecot.capabilities + `\n' >>/etc/dovecot/dovecot.conf
	postconf -P smtp/inet/smtpd_relay_restrictions=static:OK,reject` + postfixServes("-o message_size_limit=0 -o smtpd_proxy_filter=127.0.0.1:10080 -o smtpd_sender_restrictions=reject_sender_login_mismatch") + `
	echo 'dkim_verify = false' >>/etc/chatmail/chatmail.toml` + restart,
			there: `systemctl restart chatmaild-transport`, // it remembers the MX for a minute
			want: "mx page autoconfig mta-sts capabilities metadata push-token subject-hidden client-hidden" +
				" too-large unsigned bad-signature open-relay to-other from-other",
			noted: "mta-sts-record spf dmarc",
		},
		{
			name: "filters, TLS, port 443", alone: true,
			lines: `
	postconf -P smtp/inet/smtpd_proxy_filter=` + postfixServes("-o smtpd_tls_mandatory_protocols=>=TLSv1 -o tls_medium_cipherlist=ALL:@SECLEVEL=0") + `
	postconf -e smtpd_tls_security_level=may smtpd_tls_auth_only=no
	printf '%s\n' 'ssl = yes' '` + dovecot.cleartextLogins + `' 'ssl_min_protocol = TLSv1' 'ssl_cipher_list = ALL:@SECLEVEL=0' >>/etc/dovecot/dovecot.conf
	systemctl stop chatmaild-web.socket chatmaild-web.service
	: >/etc/postfix/chatmaild-delivery.regexp
	sed -i -E -e '/\\b(imap|smtp)\\b/s/:[0-9]+;/:8443;/' \
		-e 's/ssl_protocols .*/ssl_protocols TLSv1 TLSv1.1 TLSv1.2 TLSv1.3; ssl_ciphers ALL:@SECLEVEL=0;/' /etc/nginx/nginx.conf` + restart,
			want: "tls-25 tls-143 tls-443 tls-465 tls-587 tls-993 starttls-25 starttls-143 starttls-587 new alpn-imap alpn-smtp" +
				" subject-hidden client-hidden cleartext forged-from foreign-sender unsigned bad-signature cleartext-from-outside",
		},
		{
			name: "registration, names", alone: true,
			zone: func(o *outsider) error {
				o.lab.Zone.Remove("www."+o.relay.Domain, "")
				return o.lab.Zone.Set(selector+"._domainkey."+o.relay.Domain, "TXT", "v=DKIM1; k=rsa; p=")
			},
			lines: `touch /etc/chatmail-nocreate; systemctl stop chatmaild-submission.socket` + restart,
			want:  "dkim-key names port-587 port-587-ipv6 new create push-token",
		},
		{
			name: "passwords, SecureJoin",
			lines: wrongAuth("any") + `
	sed -i '1i /^Secure-Join:/ REJECT' /etc/postfix/chatmaild-header.regexp /etc/postfix/chatmaild-sealed.regexp` + restart,
			want: "wrong-password foreign-domain securejoin securejoin-here securejoin-there",
		},
		{
			// Behind the flood, the other relay's mail would be late.
			name: "limit", slow: true, alone: true,
			lines: `
	printf '%s\n' 'max_user_send_per_minute = 1000000' 'max_user_send_burst_size = 1000000' >>/etc/chatmail/chatmail.toml` + restart,
			want: "rate-limit",
		},
		{
			name: "second logins", alone: true,
			lines: wrongAuth("once") + restart,
			want:  "login-993 login-143 login-465 login-587 alpn-imap alpn-smtp",
		},
		{
			name: "delivery, IPv6", alone: true,
			lines: `
	postconf -P 127.0.0.1:10025/inet/smtpd_relay_restrictions=reject
	postconf -e inet_protocols=ipv4
	systemctl stop chatmaild-submission.socket chatmaild-submissions.socket chatmaild-filtermail-out.service
	for socket in submission:587 submissions:465; do
		dir=/run/systemd/system/chatmaild-${socket%:*}.socket.d
		install -d $dir
		printf '%s\n' '[Socket]' ListenStream= ListenStream=0.0.0.0:${socket#*:} >$dir/fault.conf
	done
	systemctl daemon-reload
	systemctl start chatmaild-submission.socket chatmaild-submissions.socket
	echo 'listen = *' >>/etc/dovecot/dovecot.conf
	sed -i -e '/listen \[::\]/d' -e 's,location = /mxdeliv ,location = /mxdeliv-,' /etc/nginx/nginx.conf
	systemctl stop chatmaild-turn.socket chatmaild-turn-udp.socket chatmaild-turn.service chatmaild-iroh.socket chatmaild-iroh.service` + restart,
			want:  "port-25-ipv6 port-143-ipv6 port-443-ipv6 port-465-ipv6 port-587-ipv6 port-993-ipv6 delivery iroh turn",
			noted: "mxdeliv",
		},
		{
			name: "certificates", alone: true,
			lines: `
	openssl req -x509 -newkey rsa:2048 -nodes -subj /CN=elsewhere.test -addext subjectAltName=DNS:elsewhere.test \
		-keyout /etc/ssl/elsewhere.key -out /etc/ssl/elsewhere.pem 2>/dev/null
	postconf -e smtpd_tls_cert_file=/etc/ssl/elsewhere.pem smtpd_tls_key_file=/etc/ssl/elsewhere.key
	cat /etc/ssl/elsewhere.key /etc/ssl/elsewhere.pem >/var/lib/chatmaild/submission/certificate.pem
	printf '` + dovecot.certificate + `\n' >>/etc/dovecot/dovecot.conf
	sed -i -e 's,ssl_certificate .*,ssl_certificate /etc/ssl/elsewhere.pem;,' \
		-e 's,ssl_certificate_key .*,ssl_certificate_key /etc/ssl/elsewhere.key;,' /etc/nginx/nginx.conf` + restart,
			want: "certificate-25 certificate-143 certificate-443 certificate-465 certificate-587 certificate-993",
		},
		{
			name:  "programs, the other relay",
			lines: `systemctl stop postfix dovecot nginx chatmaild-submission.socket chatmaild-submissions.socket chatmaild-filtermail-out.socket chatmaild-filtermail-out.service`,
			there: `touch /etc/chatmail-nocreate`,
			want: "port-25 port-25-ipv6 port-143 port-143-ipv6 port-443 port-443-ipv6 port-465 port-465-ipv6" +
				" port-587 port-587-ipv6 port-993 port-993-ipv6 other",
			noted: "http",
		},
		{
			name: "addresses", alone: true,
			zone: func(o *outsider) error {
				o.lab.Zone.Remove(o.relay.Domain, "A")
				o.lab.Zone.Remove(o.relay.Domain, "AAAA")
				return nil
			},
			want: "address",
		},
		{
			name: "hidden, as no usual relay is", alone: true, hidden: true,
			want: "hidden-web hidden-443 hidden-imap hidden-mail",
		},
	}
}

// TestRounds holds that no check is added of which nobody has seen that a real relay
// can fail it.
func TestRounds(t *testing.T) {
	var broken, known []string
	for _, r := range rounds(chosen(t)) {
		broken = append(broken, strings.Fields(r.want+" "+r.noted)...)
	}
	for _, c := range selftest.Checks() {
		known = append(known, c.Name)
		if !slices.Contains(broken, c.Name) {
			t.Errorf("no round breaks %s", c.Name)
		}
	}
	for _, name := range broken {
		if !slices.Contains(known, name) {
			t.Errorf("there is no check %s", name)
		}
	}
}
