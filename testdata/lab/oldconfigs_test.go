package lab

// oldConfigs are configurations of the kind that the Python relay writes: the same
// listeners, filters, sockets, maps and key files, and little beside.
var oldConfigs = map[string]string{
	"/etc/postfix/main.cf": `compatibility_level = 3.6
myhostname = ` + oldDomain + `
myorigin = ` + oldDomain + `
mydestination = ` + oldDomain + `
local_transport = lmtp:unix:private/dovecot-lmtp
local_recipient_maps =
alias_maps =
mynetworks = 127.0.0.0/8 [::1]/128
inet_interfaces = all
recipient_delimiter = +
message_size_limit = 31457280
mailbox_size_limit = 0
smtpd_tls_cert_file = /var/lib/acme/live/` + oldDomain + `/fullchain
smtpd_tls_key_file = /var/lib/acme/live/` + oldDomain + `/privkey
smtpd_tls_security_level = may
smtpd_relay_restrictions = reject
smtpd_peername_lookup = no
smtpd_sender_login_maps = regexp:/etc/postfix/login_map
default_transport = lmtp-filtermail:inet:[127.0.0.1]:10083
maximal_queue_lifetime = 2d
lmtp_destination_recipient_limit = 1
non_smtpd_milters = unix:opendkim/opendkim.sock
internal_mail_filter_classes = bounce
milter_macro_daemon_name = ORIGINATING
`,
	"/etc/postfix/master.cf": `smtp inet n - y - - smtpd
  -o smtpd_tls_security_level=encrypt
  -o smtpd_proxy_filter=127.0.0.1:10081
  -o smtpd_relay_restrictions=reject_unauth_destination
submission inet n - y - 1000 smtpd
  -o smtpd_tls_security_level=encrypt
  -o smtpd_sasl_auth_enable=yes
  -o smtpd_sasl_type=dovecot
  -o smtpd_sasl_path=private/auth
  -o smtpd_sender_restrictions=reject_sender_login_mismatch,permit_sasl_authenticated,reject
  -o smtpd_relay_restrictions=permit_sasl_authenticated,reject
  -o smtpd_proxy_filter=127.0.0.1:10080
smtps inet n - y - 1000 smtpd
  -o smtpd_tls_wrappermode=yes
  -o smtpd_sasl_auth_enable=yes
  -o smtpd_sasl_type=dovecot
  -o smtpd_sasl_path=private/auth
  -o smtpd_sender_restrictions=reject_sender_login_mismatch,permit_sasl_authenticated,reject
  -o smtpd_relay_restrictions=permit_sasl_authenticated,reject
  -o smtpd_proxy_filter=127.0.0.1:10080
127.0.0.1:10025 inet n - n - 100 smtpd
  -o milter_macro_daemon_name=ORIGINATING
  -o cleanup_service_name=authclean
  -o smtpd_relay_restrictions=permit_mynetworks,reject
  -o smtpd_milters=unix:opendkim/opendkim.sock
127.0.0.1:10026 inet n - n - 100 smtpd
  -o smtpd_relay_restrictions=reject_unauth_destination
authclean unix n - - - 0 cleanup
  -o header_checks=regexp:/etc/postfix/submission_header_cleanup
lmtp-filtermail unix - - y - 500 lmtp
pickup unix n - y 60 1 pickup
cleanup unix n - y - 0 cleanup
qmgr unix n - n 300 1 qmgr
tlsmgr unix - - y 1000? 1 tlsmgr
rewrite unix - - y - - trivial-rewrite
bounce unix - - y - 0 bounce
defer unix - - y - 0 bounce
trace unix - - y - 0 bounce
proxymap unix - - n - - proxymap
smtp unix - - y - - smtp
showq unix n - y - - showq
error unix - - y - - error
retry unix - - y - - error
lmtp unix - - y - - lmtp
anvil unix - - y - 1 anvil
scache unix - - y - 1 scache
postlog unix-dgram n - n - 1 postlogd
`,
	"/etc/postfix/login_map":                 "/^(.*)$/ ${1}\n",
	"/etc/postfix/submission_header_cleanup": "/^Received:/ IGNORE\n",
	"/etc/dovecot/dovecot.conf": `protocols = imap lmtp
auth_mechanisms = plain
auth_username_chars = abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ01234567890.-_@[]
default_client_limit = 20000
mail_plugins = zlib quota
imap_capability = +XDELTAPUSH XCHATMAIL
passdb {
  driver = dict
  args = /etc/dovecot/auth.conf
}
userdb {
  driver = dict
  args = /etc/dovecot/auth.conf
}
mail_location = maildir:` + oldBoxes + `/%u
mail_uid = vmail
mail_gid = vmail
namespace inbox {
  inbox = yes
}
mail_attribute_dict = proxy:/run/chatmail-metadata/metadata.socket:metadata
protocol imap {
  mail_plugins = $mail_plugins imap_quota last_login
  imap_metadata = yes
}
plugin {
  last_login_dict = proxy:/run/chatmail-lastlogin/lastlogin.socket:lastlogin
  last_login_precision = s
  zlib_save = gz
  quota = maildir:User quota
  quota_rule = *:storage=300M
}
service lmtp {
  user = vmail
  unix_listener /var/spool/postfix/private/dovecot-lmtp {
    user = postfix
    group = postfix
    mode = 0600
  }
}
lmtp_add_received_header = no
service auth {
  unix_listener /var/spool/postfix/private/auth {
    user = postfix
    group = postfix
    mode = 0660
  }
}
service auth-worker {
  user = vmail
}
ssl = required
ssl_cert = </var/lib/acme/live/` + oldDomain + `/fullchain
ssl_key = </var/lib/acme/live/` + oldDomain + `/privkey
ssl_min_protocol = TLSv1.3
imap_hibernate_timeout = 30s
`,
	"/etc/dovecot/auth.conf": `uri = proxy:/run/doveauth/doveauth.socket:auth
iterate_disable = no
iterate_prefix = userdb/
default_pass_scheme = plain
password_key = passdb/%Ew"%Eu
user_key = userdb/%Eu
`,
	"/etc/nginx/nginx.conf": `load_module modules/ngx_stream_module.so;
user www-data;
pid /run/nginx.pid;
events {}
stream {
  map $ssl_preread_alpn_protocols $proxy {
    default 127.0.0.1:8443;
    ~\bsmtp\b 127.0.0.1:465;
    ~\bimap\b 127.0.0.1:993;
  }
  server {
    listen 443;
    proxy_pass $proxy;
    ssl_preread on;
  }
}
http {
  ssl_certificate /var/lib/acme/live/` + oldDomain + `/fullchain;
  ssl_certificate_key /var/lib/acme/live/` + oldDomain + `/privkey;
  server {
    listen 127.0.0.1:8443 ssl default_server;
    root /var/www/html;
  }
  server {
    listen 80;
    location /.well-known/acme-challenge/ {
      proxy_pass http://127.0.0.1:402;
    }
    return 301 https://$host$request_uri;
  }
}
`,
	"/etc/opendkim.conf": `Syslog yes
Canonicalization relaxed/simple
Domain ` + oldDomain + `
Selector opendkim
KeyFile /etc/dkimkeys/opendkim.private
KeyTable /etc/dkimkeys/KeyTable
SigningTable refile:/etc/dkimkeys/SigningTable
UserID opendkim
UMask 007
Socket local:/var/spool/postfix/opendkim/opendkim.sock
PidFile /run/opendkim/opendkim.pid
MTA ORIGINATING
InternalHosts -
`,
}
