package takeover

import (
	"errors"
	"fmt"
	"io/fs"
	"path"
	"strings"

	"chatmaild/applets/admin/desired"
	"chatmaild/applets/admin/host"
	"chatmaild/applets/admin/keyfiles"
	"chatmaild/applets/admin/takeover/pythonrelay"
	"chatmaild/applets/config"
	"chatmaild/applets/keys"
	"chatmaild/auth"
	"chatmaild/auth/mailaddr"
	"chatmaild/store/maildir"
)

// note is something that the operator should know before or after a takeover.
type note struct{ about, text string }

// note keeps something for the end of the output, where it is read.
func (im *importer) note(about, format string, args ...any) {
	im.notes = append(im.notes, note{about, fmt.Sprintf(format, args...)})
}

// oldAccounts counts what is in the old relay's mailboxes.
type oldAccounts struct {
	total    int            // mailboxes with a password
	schemes  map[string]int // of the passwords
	blocked  int            // that the operator has blocked
	toBlock  []string       // their addresses, but those that are blocked in our way already
	bad      int            // others with passwords that nobody could log in with
	enforced int            // that refuse cleartext
	tokens   int            // with push tokens
	bare     int            // mailboxes without a password
	foreign  int            // of another domain
	odd      int            // with names that are not addresses here
	waiting  int            // notifications
}

// surveyAccounts looks at each mailbox once.
func surveyAccounts(source host.Tree, conf *config.Config) (oldAccounts, error) {
	a := oldAccounts{schemes: map[string]int{}}
	names, err := source.Names(conf.MailboxesDir)
	if err != nil {
		return a, fmt.Errorf("looking at the mailboxes: %w", err)
	}
	for _, name := range names {
		// The directory has more in it than mailboxes: the queue of notifications, for one.
		if !strings.Contains(name, "@") {
			continue
		}
		if !strings.HasSuffix(name, "@"+conf.AddressDomain()) {
			a.foreign++
			continue
		}
		// Addresses are in lower case here: nobody would look for a name with capitals.
		if addr, err := mailaddr.Parse(name, conf.AddressDomain()); err != nil || addr.String() != name {
			a.odd++
			continue
		}
		box := path.Join(conf.MailboxesDir, name)
		stored, err := source.ReadFile(path.Join(box, "password"))
		switch {
		case errors.Is(err, fs.ErrNotExist):
			if name != config.EchoBot(conf).Address() { // its password was elsewhere
				a.bare++
			}
			continue
		case err != nil:
			return a, fmt.Errorf("looking at the passwords: %w", err)
		}
		a.total++
		text := strings.TrimSpace(string(stored))
		disabled, err := source.Exists(path.Join(box, pythonrelay.DisabledFile))
		if err != nil {
			return a, fmt.Errorf("looking for disabled accounts: %w", err)
		}
		switch {
		case disabled || pythonrelay.EditedPassword(text):
			a.blocked++
			if !auth.IsBlocked(text) {
				a.toBlock = append(a.toBlock, name)
			}
		case auth.CheckStored(text) != nil:
			a.bad++
		default:
			a.schemes[auth.Scheme(text)]++
		}
		if source.IsFile(path.Join(box, maildir.EnforceFile)) {
			a.enforced++
		}
		if source.IsFile(path.Join(box, "metadata.json")) {
			a.tokens++
		}
	}
	waiting, err := source.Names(path.Join(conf.MailboxesDir, pythonrelay.Pending))
	a.waiting = len(waiting)
	return a, err
}

// oldPages returns the files of pages that are the operator's own. The Python relay's
// own pages are not taken over: ours say the same of this relay.
func (im *importer) oldPages(params []pythonrelay.Param) ([]string, error) {
	own := false
	for _, p := range params {
		own = own || p.Key == "www_folder" && p.Value != ""
	}
	if !own {
		return nil, nil
	}
	files, err := im.source.Files(pythonrelay.WWWRoot)
	if err != nil {
		return nil, fmt.Errorf("looking at the web pages: %w", err)
	}
	var pages []string
	for _, name := range files {
		if _, ok := pageOf(name); ok && im.source.IsFile(name) {
			pages = append(pages, name)
		}
	}
	return pages, nil
}

// requireKeys wants the DKIM key, without which nobody would take our mail, and says
// what it found of the others.
func (im *importer) requireKeys() error {
	if _, literal := im.conf.Literal(); !literal {
		name := keyfiles.DKIM(im.conf)
		text, err := im.source.ReadFile(name)
		if err == nil {
			_, err = keys.DKIMRecord(text)
		}
		if err != nil {
			return fmt.Errorf("the DKIM key, whose public half is in the DNS: %w", err)
		}
	}
	cert, key, err := im.oldPair()
	if err != nil {
		im.note("TLS key", "none to take over (%v): chatmaild run creates one, and apps that know the old one may refuse it until it has a certificate", err)
		return nil
	}
	pair, err := keys.ParsePair(cert, key)
	if err == nil {
		err = pair.Check(config.Host(im.conf), im.now)
	}
	if err != nil {
		im.note("certificate", "it cannot be used: %v", err)
	}
	return nil
}

// oldPair reads the certificate and the key that the old relay serves.
func (im *importer) oldPair() (cert, key []byte, err error) {
	paths := im.oldPairPaths()
	cert, err1 := im.source.ReadFile(paths.Certificate)
	key, err2 := im.source.ReadFile(paths.PrivateKey)
	return cert, key, errors.Join(err1, err2)
}

// oldPairPaths says where the old relay has certificate and key.
func (im *importer) oldPairPaths() desired.Paths {
	if cert, key, external := im.conf.ExternalTLS(); external {
		return desired.Paths{Certificate: cert, PrivateKey: key}
	}
	if im.conf.SelfSigned() {
		return desired.Paths{Certificate: pythonrelay.SelfSigned, PrivateKey: pythonrelay.SelfKey}
	}
	live := path.Join(pythonrelay.Acmetool, "live", im.conf.MailDomain)
	return desired.Paths{Certificate: path.Join(live, "fullchain"), PrivateKey: path.Join(live, "privkey")}
}
