package desired

import (
	"fmt"
	"path"
	"slices"
	"strings"

	"chatmaild/applets/config"
)

// dropins returns the drop-ins of systemd units for what the configuration moves
// away from where the package has it. The package's units hold the defaults, and
// for those there is no drop-in.
func dropins(conf *config.Config, machine Machine) []File {
	return slices.Concat(socketDropins(conf), directoryDropins(conf), certificateDropins(conf), memoryDropins(conf), turnDropins(conf), submissionDropins(conf), []File{irohDropin(conf), echobotDropin(conf), signingDropin(conf)}, transportDropins(conf), clusterDropins(conf, machine.PostgreSQL), serverDropins(machine.Release), logDropins(machine.Release))
}

// serverDropins have systemd start servers again that were killed. Debian's units
// leave them dead. That of Dovecot is among the templates.
func serverDropins(release Release) []File {
	web := dropin(Nginx, "chatmaild", "[Service]\nRestart=on-failure\nRestartSec=1")
	// systemd does not know Postfix's master process: it sees only that none is left.
	files := []File{web}
	for _, unit := range []string{bookwormPostfix, Postfix} {
		mail := dropin(unit, "chatmaild", "[Service]\nRestart=always\nRestartSec=1")
		mail.Unit, mail.Absent = Postfix, unit != release.PostfixInstance()
		files = append(files, mail)
	}
	return files
}

// logDropins have the servers log to the maillog daemon, whose directory they see in
// place of journald's: there /dev/log leads. What they write to standard output, which
// is nothing once they run, is still journald's.
func logDropins(release Release) []File {
	const directory = "/run/chatmaild/log"
	var files []File
	for _, unit := range loggedUnits {
		f := dropin(unit, "chatmaild-log", "[Unit]\nWants="+LogSocket+"\nAfter="+LogSocket+
			"\n[Service]\nBindReadOnlyPaths="+directory+":/run/systemd/journal")
		switch unit {
		case bookwormPostfix, Postfix:
			// So does /dev/log of its chroot, where rsyslog may have a socket, too.
			f.Content = append(f.Content, "BindReadOnlyPaths="+directory+":/var/spool/postfix/dev\n"...)
			f.Unit, f.Absent = Postfix, unit != release.PostfixInstance()
		}
		files = append(files, f)
	}
	return files
}

// certificateDropins have systemd look for the certificate where it is.
func certificateDropins(conf *config.Config) []File {
	return []File{pathDropin(conf), acmeDropin(ACME, conf), acmeDropin(ACMESocket, conf), webDropin(conf)}
}

// signingDropin has systemd pass on to the transport the DKIM key of another selector, or
// none, where the relay has no name.
func signingDropin(conf *config.Config) File {
	lines, signs := "[Service]\nLoadCredential=", config.Signs(conf)
	if signs {
		lines += "\nLoadCredential=dkim:" + path.Join(DKIMDir, conf.DKIMSelector+".private")
	}
	f := dropin(Transport, "dkim", lines)
	f.Absent = signs && conf.DKIMSelector == config.Defaults().DKIMSelector
	return f
}

// transportDropins keep the transport from starting where nothing passes through it, by a
// condition that cannot hold.
func transportDropins(conf *config.Config) []File {
	var files []File
	for _, unit := range []string{TransportSocket, Transport} {
		f := dropin(unit, "condition", "[Unit]\nConditionPathExists=!"+config.DefaultPath)
		f.Absent = config.Outward(conf)
		files = append(files, f)
	}
	return files
}

// echobotDropin has systemd look for the bot where it is; where there is to be no
// bot, the condition is one that cannot hold.
func echobotDropin(conf *config.Config) File {
	condition := config.EchoBot(conf).Identity()
	if !conf.Echobot {
		condition = "!" + config.DefaultPath
	}
	f := dropin(Echobot, "condition", "[Unit]\nConditionPathExists=\nConditionPathExists="+config.DefaultPath+
		"\nConditionPathExists="+condition)
	f.Absent = conf.Echobot && conf.StateDir == config.Defaults().StateDir
	return f
}

// acmeDropin moves the directory without which the unit is skipped. An empty
// condition takes back all those before.
func acmeDropin(unit string, conf *config.Config) File {
	f := dropin(unit, "condition", "[Unit]\nConditionPathExists=\nConditionPathExists="+config.DefaultPath+
		"\nConditionPathIsDirectory="+conf.ACMEDir())
	f.Absent = conf.StateDir == config.Defaults().StateDir
	return f
}

// webDropin hands the certificate of a relay at an address to the web daemon: its links say
// whether an authority has signed it.
func webDropin(conf *config.Config) File {
	f := dropin(Web, "certificate", "[Service]\nLoadCredential=certificate:"+path.Join(conf.ACMEDir(), "live/fullchain.pem"))
	f.Absent = !(conf.ACME() && conf.SelfSigned())
	return f
}

// pathDropin has systemd watch the certificate where the configuration has it.
func pathDropin(conf *config.Config) File {
	cert, key, external := conf.ExternalTLS()
	watch := []string{cert, key}
	if !external {
		// The key next to it never changes.
		watch = []string{path.Join(conf.ACMEDir(), "live/fullchain.pem")}
	}
	lines := "[Path]\nPathChanged="
	for _, p := range watch {
		lines += "\nPathChanged=" + p
	}
	f := dropin(CertificatePath, "paths", lines)
	f.Absent = !external && conf.StateDir == config.Defaults().StateDir
	return f
}

// socketDropins move listeners that the configuration has elsewhere than the package.
func socketDropins(conf *config.Config) []File {
	def := config.Defaults()
	listeners := []struct{ daemon, listen, packaged string }{
		{"filtermail-out", loopback(conf.FiltermailSMTPPort), loopback(def.FiltermailSMTPPort)},
		{"filtermail-in", loopback(conf.FiltermailSMTPPortIncoming), loopback(def.FiltermailSMTPPortIncoming)},
		{"mxdeliv", conf.Socket("mxdeliv"), def.Socket("mxdeliv")},
		{"auth-master", conf.Socket("auth-master"), def.Socket("auth-master")},
		{"auth-submission", conf.Socket("auth-submission"), def.Socket("auth-submission")},
		{"auth-userdb", conf.Socket("auth-userdb"), def.Socket("auth-userdb")},
		{"metadata", conf.Socket("metadata"), def.Socket("metadata")},
		{"lastlogin", conf.Socket("lastlogin"), def.Socket("lastlogin")},
		{"web", conf.Socket("web"), def.Socket("web")},
		{"iroh", conf.Socket("iroh"), def.Socket("iroh")},
		{"websocket", conf.Socket("websocket"), def.Socket("websocket")},
		{"metrics", conf.Socket("metrics"), def.Socket("metrics")},
	}
	var files []File
	for _, l := range listeners {
		f := dropin("chatmaild-"+l.daemon+".socket", "listen", "[Socket]\nListenStream=\nListenStream="+l.listen)
		f.Absent = l.listen == l.packaged
		files = append(files, f)
	}
	return append(files, metricsDropins(conf)...)
}

// directoryDropins let the daemons, which see little of the file system, reach
// mailboxes and state where the configuration has them.
func directoryDropins(conf *config.Config) []File {
	def := config.Defaults()
	mailElsewhere := !strings.HasPrefix(conf.MailboxesDir, "/home/vmail/")
	stateElsewhere := conf.StateDir != def.StateDir
	needs := []struct{ daemon, mail, state string }{
		{"filtermail-in", "BindReadOnlyPaths", ""},
		{"doveauth", "BindPaths", ""},
		{"lastlogin", "BindPaths", ""},
		{"metadata", "BindReadOnlyPaths", conf.MetadataDir()},
		{"expire", "BindPaths", conf.ExpireDir()},
		{"porter", "BindPaths", ""},
		{"web", "", conf.InvitesDir()},
		{"echobot", "", config.EchoBot(conf).Dir()},
		{"acme", "", conf.ACMEDir()},
	}
	var files []File
	for _, n := range needs {
		lines := "[Service]"
		if mailElsewhere && n.mail != "" {
			lines += "\n" + n.mail + "=" + conf.MailboxesDir
		}
		if stateElsewhere && n.state != "" {
			lines += "\nBindPaths=-" + n.state
		}
		// The name is that of earlier versions, so that theirs is replaced.
		f := dropin("chatmaild-"+n.daemon+".service", "folders", lines)
		f.Absent = lines == "[Service]"
		files = append(files, f)
	}
	return files
}

// runtimeRoot is below what systemd makes the daemons' directories, and there alone
// (RuntimeDirectory=).
const runtimeRoot = "/run/"

// CheckRuntimeDir says, as a *config.Error of the file at path, why systemd cannot run
// the daemons with conf's runtime_dir. Daemons that another user runs can have it
// anywhere.
func CheckRuntimeDir(conf *config.Config, path string) error {
	if !strings.HasPrefix(conf.RuntimeDir, runtimeRoot) {
		return &config.Error{Path: path, Key: "runtime_dir",
			Text: fmt.Sprintf("%q: want a directory below %s, where systemd creates it", conf.RuntimeDir, runtimeRoot)}
	}
	return nil
}

// metricsDropins move the directories of the sockets on which daemons tell their metrics.
func metricsDropins(conf *config.Config) []File {
	dir := strings.TrimPrefix(conf.RuntimeDir, runtimeRoot)
	var files []File
	for _, daemon := range append(conf.TellingDaemons(), config.OnDemandDaemons(conf)...) {
		f := dropin("chatmaild-"+daemon+".service", "runtime", "[Service]\nRuntimeDirectory=\nRuntimeDirectory="+dir+"/"+daemon)
		f.Absent = conf.RuntimeDir == config.Defaults().RuntimeDir
		files = append(files, f)
	}
	return files
}

func dropin(unit, name, lines string) File {
	return File{
		Path:    "/etc/systemd/system/" + unit + ".d/" + name + ".conf",
		Content: fmt.Appendf(nil, notice+"%s\n", "#", config.DefaultPath, lines),
		Mode:    0o644, Owner: "root", Group: "root", Unit: unit,
	}
}

func loopback(port int) string { return fmt.Sprintf("127.0.0.1:%d", port) }
