package desired

import (
	"fmt"
	"path"
	"slices"
	"strings"

	"chatmaild/applets/config"
)

// FiltermailOut takes mail from our own users: at SubmissionSockets from their clients.
const FiltermailOut = "chatmaild-filtermail-out.service"

// SubmissionTarget has SubmissionSockets bound at once: those that are enabled.
const SubmissionTarget = "chatmaild-submission.target"

// CertificateGroup may read filtermail-out's copy of the certificate's key. The daemon's unit
// alone has the group.
const CertificateGroup = "chatmaild-certificate"

// Ports on the loopback interface for what others hand on to filtermail-out, with the PROXY
// protocol.
const (
	submissionsProxyPort = 10465 // behind nginx's port 443
	submissionProxyPort  = 10587 // behind port 587 of a machine in front
)

// An entrance is where clients of users come to filtermail-out.
type entrance struct {
	socket string // its unit
	port   int
	job    string
	public bool
	when   func(*config.Config) bool
}

func always(*config.Config) bool { return true }

// entrances are all that there may be.
var entrances = []entrance{
	{"chatmaild-submission.socket", 587, "submission with STARTTLS", true, always},
	{"chatmaild-submissions.socket", 465, "submission with TLS", true, always},
	{"chatmaild-submissions-443.socket", submissionsProxyPort, "submission behind port 443", false, always},
	{"chatmaild-submission-proxy.socket", submissionProxyPort, "submission behind a machine in front", false,
		func(c *config.Config) bool { return len(c.ProxyAddresses) > 0 }},
	{"chatmaild-submission-websocket.socket", config.WebsocketSMTPPort, "submission by WebSocket", false,
		func(c *config.Config) bool { return c.Websocket }},
}

// SubmissionSockets are the units of all entrances that a relay may have. Like MailUnits they
// are off while mail is off.
func SubmissionSockets() []string {
	var units []string
	for _, e := range entrances {
		units = append(units, e.socket)
	}
	return units
}

// Entrances are the sockets of the entrances that conf wants. They start after Postfix: one of
// an earlier version gives up their ports then.
func Entrances(conf *config.Config) []string {
	var units []string
	for _, e := range entrances {
		if e.when(conf) {
			units = append(units, e.socket)
		}
	}
	return units
}

// SubmissionPorts are those of all entrances.
func SubmissionPorts() []int {
	var ports []int
	for _, e := range entrances {
		ports = append(ports, e.port)
	}
	return ports
}

// submissionPort is an entrance's port.
func submissionPort(port int) Port {
	e := entrances[slices.IndexFunc(entrances, func(e entrance) bool { return e.port == port })]
	return Port{port, e.job, e.public, []string{"filtermail-out", systemdInit, supervisor}}
}

// GivesUp reports whether a program has a port by an earlier version's configuration, and no
// longer by this one's: Postfix, where it served users.
func GivesUp(program string, port int) bool {
	return slices.Contains(SubmissionPorts(), port) && (program == postfixMaster || program == "smtpd")
}

// SubmissionCertificate is filtermail-out's copy of a certificate and its key.
func SubmissionCertificate(conf *config.Config, certificate, key []byte) File {
	return File{
		Path: config.SubmissionCertificate(conf), Content: slices.Concat(key, certificate),
		Mode: 0o640, Owner: "root", Group: CertificateGroup, Secret: true,
	}
}

// submissionDropins have filtermail-out's sockets listen by IPv4 alone where that is wanted,
// give it the files that its connections need, and let it see its certificate.
func submissionDropins(conf *config.Config) []File {
	var files []File
	for _, e := range entrances {
		if e.public {
			f := dropin(e.socket, "listen", fmt.Sprintf("[Socket]\nListenStream=\nListenStream=0.0.0.0:%d", e.port))
			f.Absent = !conf.DisableIPv6
			files = append(files, f)
		}
	}
	// One for each connection, and four for each message: client and queue, what waits, and
	// one for a client that comes meanwhile.
	need := conf.MaxSMTPConnections + 4*conf.FiltermailMaxInFlight + 512
	limit := dropin(FiltermailOut, "files", fmt.Sprintf("[Service]\nLimitNOFILE=%d", need))
	limit.Absent = need <= packagedFiles
	dir := path.Dir(config.SubmissionCertificate(conf))
	see := dropin(FiltermailOut, "certificate", "[Service]\nBindReadOnlyPaths=-"+dir)
	see.Absent = !strings.HasPrefix(dir, "/home/") && !strings.HasPrefix(dir, "/root/")
	job := dropin(Certificate, "certificate", "[Service]\nReadWritePaths=-"+dir)
	job.Absent = conf.StateDir == config.Defaults().StateDir
	return append(files, limit, see, job)
}

// packagedFiles is LimitNOFILE= of the package's daemons.
const packagedFiles = 16384
