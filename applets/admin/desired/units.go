package desired

import (
	"path/filepath"
	"slices"
	"strings"
	"time"

	"chatmaild/applets/config"
)

// SocketUnits start before all others: the servers talk to them from their first moment
// on.
func SocketUnits() []string {
	return []string{
		LogSocket, "chatmaild-maillog.socket",
		"chatmaild-auth-login.socket", "chatmaild-auth-master.socket", "chatmaild-auth-userdb.socket",
		"chatmaild-auth-submission.socket", "chatmaild-metadata.socket", "chatmaild-lastlogin.socket",
		"chatmaild-filtermail-out.socket", "chatmaild-filtermail-in.socket", mxdelivSocket, "chatmaild-web.socket",
		"chatmaild-metrics.socket",
	}
}

// mxdelivSocket is where nginx passes on mail that other relays deliver by HTTPS.
const mxdelivSocket = "chatmaild-mxdeliv.socket"

// SocketService is the daemon that a socket unit starts: the one of its name, but for
// those of doveauth, the filters and maillog, which have several.
func SocketService(socket string) string {
	name := strings.TrimSuffix(socket, ".socket")
	switch {
	case strings.HasPrefix(name, "chatmaild-auth-"):
		name = "chatmaild-doveauth"
	case slices.Contains(SubmissionSockets(), socket):
		return FiltermailOut
	case socket == mxdelivSocket:
		name = "chatmaild-filtermail-in"
	case socket == LogSocket:
		name = "chatmaild-maillog"
	case socket == TurnUDPSocket:
		name = "chatmaild-turn"
	}
	return name + ".service"
}

// FormerAuthSocket is where Postfix of an earlier version asks doveauth, until it has given up
// the ports for users.
const FormerAuthSocket = "chatmaild-auth-sasl.socket"

// FormerUnits are units of earlier versions, ours and Debian's, that may still be active
// after an upgrade. Trixie's Postfix does not start beside that of Bookworm.
func FormerUnits(release Release) []string {
	units := []string{"chatmaild-doveauth.socket", "chatmaild-recipients.socket"}
	if release.PostfixInstance() != bookwormPostfix {
		units = append(units, bookwormPostfix)
	}
	return units
}

// ServiceUnits are the daemons that every relay has, in the order in which they start.
func ServiceUnits() []string {
	return []string{
		"chatmaild-maillog.service",
		"chatmaild-doveauth.service", "chatmaild-metadata.service", "chatmaild-lastlogin.service",
		FiltermailOut, "chatmaild-filtermail-in.service", Web,
		"chatmaild-metrics.service",
	}
}

// loggedUnits are the servers whose lines the maillog daemon passes on.
var loggedUnits = []string{bookwormPostfix, Postfix, Dovecot, Nginx}

// Look is the command that shows what a unit logged of late. What servers log comes by
// way of the maillog daemon, but for what keeps them from starting.
func Look(unit string) string {
	if slices.Contains(loggedUnits, unit) {
		unit += " -u chatmaild-maillog"
	}
	return "journalctl -u " + unit + " -n 50"
}

// MailUnits are the servers that accept and hand out mail. While they are off, so are
// SubmissionSockets.
func MailUnits() []string { return []string{Postfix, Dovecot} }

// CertificateUnits look after a certificate that is not self-signed. They start after
// nginx, which passes the authority's challenges on.
func CertificateUnits(conf *config.Config) []string {
	switch {
	case conf.ACME():
		return []string{CertificatePath, ACMESocket, ACME}
	case conf.SelfSigned():
		return nil
	}
	return []string{CertificatePath}
}

// TransportUnits sign what leaves, and deliver it.
func TransportUnits(conf *config.Config) []string {
	if !config.Outward(conf) {
		return nil
	}
	return []string{TransportSocket, Transport}
}

// BotUnits is the echo bot's unit, if the relay has one. It starts after the servers that
// it talks to. Of several machines one runs it, where the bot's account is at home: "cluster
// follow" starts it there.
func BotUnits(conf *config.Config) []string {
	if !conf.Echobot || config.Clustered(conf) {
		return nil
	}
	return []string{Echobot}
}

// TLSServers are the units whose programs read the certificate.
func TLSServers() []string { return []string{Postfix, Dovecot, Nginx} }

// Backups is where the files are kept that a command replaces.
const Backups = "/var/backups/chatmaild"

// Record is where run notes what it has written.
const Record = Backups + "/written.sha256"

// Backup is where one command keeps those that it replaces at a time.
func Backup(now time.Time) string {
	return filepath.Join(Backups, now.UTC().Format("20060102T150405.000Z"))
}
