package wanted

import (
	"fmt"
	"strings"

	"chatmaild/applets/config"
)

// dropins returns the drop-ins of systemd units for what the configuration moves
// away from where the package has it. The package's units hold the defaults, and
// for those there is no drop-in.
func dropins(conf *config.Config) []File {
	return append(socketDropins(conf), folderDropins(conf)...)
}

func socketDropins(conf *config.Config) []File {
	def := config.Defaults()
	listeners := []struct{ daemon, listen, packaged string }{
		{"filtermail-out", loopback(conf.FiltermailSMTPPort), loopback(def.FiltermailSMTPPort)},
		{"filtermail-in", loopback(conf.FiltermailSMTPPortIncoming), loopback(def.FiltermailSMTPPortIncoming)},
		{"doveauth", conf.Socket("doveauth"), def.Socket("doveauth")},
		{"metadata", conf.Socket("metadata"), def.Socket("metadata")},
		{"lastlogin", conf.Socket("lastlogin"), def.Socket("lastlogin")},
		{"web", conf.Socket("web"), def.Socket("web")},
	}
	var files []File
	for _, l := range listeners {
		f := dropin("chatmaild-"+l.daemon+".socket", "listen", "[Socket]\nListenStream=\nListenStream="+l.listen)
		f.Absent = l.listen == l.packaged
		files = append(files, f)
	}
	return files
}

// folderDropins let the daemons, which see little of the file system, reach
// mailboxes and state where the configuration has them.
func folderDropins(conf *config.Config) []File {
	def := config.Defaults()
	mailElsewhere := !strings.HasPrefix(conf.MailboxesDir, "/home/vmail/")
	stateElsewhere := conf.StateDir != def.StateDir
	needs := []struct{ daemon, mail, state string }{
		{"filtermail-in", "BindReadOnlyPaths", ""},
		{"doveauth", "BindPaths", ""},
		{"lastlogin", "BindPaths", ""},
		{"metadata", "BindReadOnlyPaths", "BindPaths"},
		{"expire", "BindPaths", "BindPaths"},
		{"web", "", "BindPaths"},
	}
	var files []File
	for _, n := range needs {
		lines := "[Service]"
		if mailElsewhere && n.mail != "" {
			lines += "\n" + n.mail + "=" + conf.MailboxesDir
		}
		if stateElsewhere && n.state != "" {
			lines += "\n" + n.state + "=" + conf.StateDir
		}
		f := dropin("chatmaild-"+n.daemon+".service", "folders", lines)
		f.Absent = lines == "[Service]"
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
