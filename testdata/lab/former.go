package lab

import (
	"context"
	"strings"
)

// oversigned is what the relay's own signatures have once more than it is there.
const oversigned = "from,reply-to,subject,date,to,cc,resent-date,resent-from,resent-sender,resent-to,resent-cc," +
	"in-reply-to,references,list-id,list-help,list-unsubscribe,list-subscribe,list-post,list-owner,list-archive,autocrypt"

// openDKIMSigns makes a relay one of before, whose mail OpenDKIM signs, as a milter of smtpd
// and cleanup and with its own user's key, and Postfix delivers.
const openDKIMSigns = `
sed -i '/^default_transport/d; /^outward_/d' /etc/postfix/main.cf
cat >>/etc/postfix/main.cf <<END
non_smtpd_milters = unix:opendkim/opendkim.sock
internal_mail_filter_classes = bounce
milter_macro_daemon_name = ORIGINATING
milter_default_action = tempfail
END
postconf -MX outward/unix
postconf -P 127.0.0.1:10025/inet/smtpd_milters=unix:opendkim/opendkim.sock 127.0.0.1:10025/inet/milter_macro_daemon_name=ORIGINATING
cat >/etc/opendkim.conf <<END
# Written by "chatmaild run" from /etc/chatmail/chatmail.toml; the next run overwrites changes made here.
UserID opendkim:postfix
UMask 007
Socket local:/var/spool/postfix/opendkim/opendkim.sock
PidFile /run/opendkim/opendkim.pid
Mode s
Canonicalization relaxed/simple
KeyTable /etc/dkimkeys/chatmaild.keytable
SigningTable refile:/etc/dkimkeys/chatmaild.signingtable
MTA ORIGINATING
InternalHosts -
SignHeaders *,+autocrypt,+content-type
OversignHeaders OVERSIGNED
END
echo "KEY DOMAIN:SELECTOR:/etc/dkimkeys/SELECTOR.private" >/etc/dkimkeys/chatmaild.keytable
echo "*@DOMAIN KEY" >/etc/dkimkeys/chatmaild.signingtable
chown -R opendkim:opendkim /etc/dkimkeys
chown root:root /etc/dkimkeys/chatmaild.*
install -d -o opendkim -g postfix -m 750 /var/spool/postfix/opendkim
apt-mark auto opendkim
systemctl enable --quiet opendkim
systemctl restart opendkim
systemctl restart postfix
systemctl stop chatmaild-transport.socket chatmaild-transport.service`

// SignByOpenDKIM makes a relay one of before: OpenDKIM, which has to be installed, signs, and
// Postfix delivers. The next "chatmaild run" undoes it.
func (r *Relay) SignByOpenDKIM(ctx context.Context) error {
	_, err := r.Script(ctx, strings.NewReplacer("OVERSIGNED", oversigned, "KEY", selector+"._domainkey."+r.Domain,
		"DOMAIN", r.Domain, "SELECTOR", selector).Replace(openDKIMSigns))
	return err
}
