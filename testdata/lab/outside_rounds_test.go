package lab

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"chatmaild/applets/admin/selftest"
)

// round is what is broken at one time, and how it is seen.
type round struct {
	name   string
	alone  bool // without the other relay
	slow   bool
	invite string                // its token
	zone   func(*outsider) error // changes the DNS
	lines  string                // of sh, on the relay
	there  string                // of sh, on the other relay
	want   string                // the checks that fail, in their order
	noted  string                // those that only take a note
}

// What a round does at its end, so that all servers know. Postfix comes last: it looks
// for the SASL socket that a round may have Dovecot make.
var restart = `
	systemctl restart dovecot nginx chatmaild-filtermail-in chatmaild-filtermail-out
	systemctl restart ` + PostfixUnit()

// ownAuth has Dovecot check IMAP logins itself, by a program that ends with words
// (checkpassword of doc.dovecot.org, version 2.3). The program gets name and password
// from file descriptor 3, and says yes by running its arguments. It asks doveauth
// first, which creates accounts; $? is 0 if doveauth says yes.
func ownAuth(words string) string {
	return `
	cat >/etc/dovecot/check <<'EOF'
#!/bin/sh
unset HOME USER
export EXTRA='userdb_uid userdb_gid' userdb_uid=vmail userdb_gid=vmail
login=$(tr '\0' '\n' <&3)
user=$(echo "$login" | sed -n 1p)
doveadm auth test -a /run/dovecot/login/chatmaild/login "$user" "$(echo "$login" | sed -n 2p)" >/dev/null
` + words + `
EOF
	chmod 755 /etc/dovecot/check
	cat >>/etc/dovecot/dovecot.conf <<'EOF'
passdb {
  driver = checkpassword
  args = /etc/dovecot/check
}
userdb {
  driver = static
}
service auth {
  user = root
}
service imap-login {
  executable = imap-login
}
service imap {
  executable = imap
}
EOF`
}

// ownAuthRuns waits until it does: 77 is a refusal, anything else that nobody answers.
const ownAuthRuns = `
	until doveadm auth test nobody nothing >/dev/null 2>&1 || [ $? = 77 ]; do sleep 0.1; done`

// anyPassword lets everybody in.
var anyPassword = ownAuth(`exec "$@"`)

// refuseAgain lets each user in once, as doveauth decides, and refuses whom it has seen.
// Postfix asks Dovecot as well.
var refuseAgain = ownAuth(`[ $? = 0 ] && [ ! -e "/run/seen/$user" ] || exit 1
: >"/run/seen/$user"
exec "$@"`) + `
	install -d -m 1777 /run/seen
	postconf -e smtpd_sasl_path=private/own
	cat >>/etc/dovecot/dovecot.conf <<'EOF'
service auth {
  unix_listener /var/spool/postfix/private/own {
    mode = 0666
  }
}
EOF`

// rounds break what an operator can break, and whatever else a check is there to see.
// What shares a round has nothing to do with each other. That each check can fail alone
// is shown by applets/admin/selftest.
func rounds() []round {
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
	echo 'imap_capability = +XDELTAPUSH' >>/etc/dovecot/dovecot.conf
	postconf -P smtp/inet/smtpd_relay_restrictions=static:OK,reject 465/inet/message_size_limit=0
	echo 'dkim_verify = false' >>/etc/chatmail/chatmail.toml` + restart,
			want: "mx page autoconfig mta-sts capabilities metadata push-token subject-hidden client-hidden" +
				" too-large unsigned bad-signature open-relay to-other from-other",
			noted: "mta-sts-record spf dmarc",
		},
		{
			name: "filters, TLS, port 443", alone: true,
			lines: `
	postconf -P 465/inet/smtpd_proxy_filter= 465/inet/smtpd_sender_restrictions= smtp/inet/smtpd_proxy_filter= \
		'465/inet/smtpd_tls_mandatory_protocols=>=TLSv1' 465/inet/tls_medium_cipherlist=ALL:@SECLEVEL=0
	postconf -e smtpd_tls_security_level=may smtpd_tls_auth_only=no
	printf '%s\n' 'ssl = yes' 'disable_plaintext_auth = no' 'ssl_min_protocol = TLSv1' 'ssl_cipher_list = ALL:@SECLEVEL=0' >>/etc/dovecot/dovecot.conf
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
			lines: `touch /etc/chatmail-nocreate; postconf -MX 587/inet` + restart,
			want:  "dkim-key names port-587 port-587-ipv6 new create push-token",
		},
		{
			name: "passwords, limit, SecureJoin", slow: true,
			lines: anyPassword + `
	printf '%s\n' 'max_user_send_per_minute = 1000000' 'max_user_send_burst_size = 1000000' >>/etc/chatmail/chatmail.toml
	sed -i '1i /^Secure-Join:/ REJECT' /etc/postfix/chatmaild-header.regexp /etc/postfix/chatmaild-sealed.regexp` + restart + ownAuthRuns,
			want: "wrong-password foreign-domain securejoin rate-limit securejoin-here securejoin-there",
		},
		{
			name: "second logins", alone: true,
			lines: refuseAgain + restart + ownAuthRuns,
			want:  "login-993 login-143 login-465 login-587 alpn-imap alpn-smtp",
		},
		{
			name: "delivery, IPv6", alone: true,
			lines: `
	postconf -P 127.0.0.1:10025/inet/smtpd_relay_restrictions=reject
	postconf -e inet_protocols=ipv4
	echo 'listen = *' >>/etc/dovecot/dovecot.conf
	sed -i '/listen \[::\]/d' /etc/nginx/nginx.conf` + restart,
			want: "port-25-ipv6 port-143-ipv6 port-443-ipv6 port-465-ipv6 port-587-ipv6 port-993-ipv6 delivery",
		},
		{
			name: "certificates", alone: true,
			lines: `
	openssl req -x509 -newkey rsa:2048 -nodes -subj /CN=elsewhere.test -addext subjectAltName=DNS:elsewhere.test \
		-keyout /etc/ssl/elsewhere.key -out /etc/ssl/elsewhere.pem 2>/dev/null
	postconf -e smtpd_tls_cert_file=/etc/ssl/elsewhere.pem smtpd_tls_key_file=/etc/ssl/elsewhere.key
	printf '%s\n' 'ssl_cert = </etc/ssl/elsewhere.pem' 'ssl_key = </etc/ssl/elsewhere.key' >>/etc/dovecot/dovecot.conf
	sed -i -e 's,ssl_certificate .*,ssl_certificate /etc/ssl/elsewhere.pem;,' \
		-e 's,ssl_certificate_key .*,ssl_certificate_key /etc/ssl/elsewhere.key;,' /etc/nginx/nginx.conf` + restart,
			want: "certificate-25 certificate-143 certificate-443 certificate-465 certificate-587 certificate-993",
		},
		{
			name:  "programs, the other relay",
			lines: `systemctl stop postfix dovecot nginx`,
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
	}
}

// TestRounds holds that no check is added of which nobody has seen that a real relay
// can fail it.
func TestRounds(t *testing.T) {
	var broken, known []string
	for _, r := range rounds() {
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
