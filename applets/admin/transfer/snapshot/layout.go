package snapshot

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"

	"chatmaild/applets/admin/desired"
	"chatmaild/applets/admin/transfer/archive"
	"chatmaild/applets/config"
	"chatmaild/store/nocreate"
)

// Names of pieces, and what stands in front of those of which there are many.
// A piece is a part of an archive that is put in place as a whole: a mailbox, a key, the
// configuration. Its name is part of the format, its path is this machine's.
const (
	configPiece = "config"
	mailboxes   = "mailboxes/"
	dkim        = "dkim/"
	state       = "state/"
	queue       = "queue/"

	databasePiece = state + "metadata.db"
)

const (
	tlsDir     = "/etc/chatmail/tls"
	dkimDir    = "/etc/dkimkeys"
	dkimSuffix = ".private"

	// Spool is Postfix's queue_directory.
	Spool = "/var/spool/postfix"
)

// queueFolders are those of Postfix's directories that hold messages, and what is known
// of their deliveries (postsuper(1)).
var queueDirs = []string{"incoming", "active", "deferred", "hold", "maildrop", "defer", "bounce", "trace", "flush", "corrupt"}

// A Layout says where the pieces of a relay are on a machine.
type Layout struct {
	Conf       *config.Config
	ConfigPath string
	Root       string // stands in front of every path; tests set it
}

// A place is a piece and the file or directory that it is.
type place struct {
	piece, path string
}

// singles are the places that the configuration alone tells.
func (l Layout) singles() []place {
	places := []place{
		{"nocreate", nocreate.Place(l.Root, l.Conf.NocreateFile)},
		{"tls", tlsDir},
		{"acme-dns-key", l.Conf.ACMEDNSKey},
		{"appversions", l.Conf.AppVersionsFile},
		{"turn-server-secret", l.Conf.TurnServerSecret},
		{"www", l.Conf.WWWFolder},
	}
	if cert, key, ok := l.Conf.ExternalTLS(); ok {
		places = append(places, place{"external/cert", cert}, place{"external/key", key})
	}
	var set []place
	for _, p := range places {
		if p.path != "" {
			set = append(set, place{p.piece, filepath.Join(l.Root, p.path)})
		}
	}
	return set
}

// RequirePlaces refuses a configuration that names a file which is not there and cannot be
// made, as in a container, whose root is read-only.
func (l Layout) RequirePlaces() error {
	for _, p := range l.singles() {
		if _, err := os.Lstat(p.path); errors.Is(err, fs.ErrNotExist) && readOnly(p.path) {
			return fmt.Errorf("chatmail.toml names %s, which cannot be written, since it is on a read-only file system: mount it into the container, or name another path, such as one below /etc/chatmail", p.path)
		}
	}
	return nil
}

// readOnly reports whether a path, or what is there of it, is on a file system that is.
func readOnly(path string) bool {
	for ; ; path = filepath.Dir(path) {
		err := unix.Access(path, unix.W_OK)
		if !errors.Is(err, unix.ENOENT) || path == "/" {
			return errors.Is(err, unix.EROFS)
		}
	}
}

// where returns where a piece is. Pieces that are not known are an error: a newer
// chatmaild may have made them.
func (l Layout) where(piece string) (string, error) {
	if err := archive.CheckName(piece); err != nil {
		return "", err
	}
	for _, p := range l.singles() {
		if p.piece == piece {
			return p.path, nil
		}
	}
	if name, ok := strings.CutPrefix(piece, state); ok && l.ofDaemons()[name] != "" {
		return filepath.Join(l.Root, l.ofDaemons()[name], name), nil
	}
	for _, many := range []struct{ prefix, directory string }{
		{mailboxes, l.Conf.MailboxesDir}, {state, l.Conf.StateDir}, {dkim, dkimDir}, {queue, Spool},
	} {
		name, ok := strings.CutPrefix(piece, many.prefix)
		// A name is one directory entry, and none of our temporary ones, which begin with a dot.
		if ok && !strings.Contains(name, "/") && !strings.HasPrefix(name, ".") {
			return filepath.Join(l.Root, many.directory, name), nil
		}
	}
	return "", fmt.Errorf("%w: it has the piece %q, which this chatmaild does not know", archive.ErrDamaged, piece)
}

// ofDaemons are the files of the state that lie in a daemon's directory, and which. In an
// archive they stand beside these: that is where they were before version 0.2.
func (l Layout) ofDaemons() map[string]string {
	return map[string]string{
		"metadata.db": l.Conf.MetadataDir(), "expire.json": l.Conf.ExpireDir(), "expired.json": l.Conf.ExpireDir(),
	}
}

// owner returns whom what is put in a place belongs to: whom the directory that it is,
// or that it is in, belongs to. Of others the archive knows, and of all in a test's.
func (l Layout) owner(place string, dir bool) (owner, group string, ok bool) {
	if l.Root != "" {
		return "", "", false
	}
	in := filepath.Dir(place)
	if dir && in == l.Conf.StateDir {
		in = place // root's are the files alone
	}
	for _, at := range []string{place, in} {
		for _, f := range desired.Directories(l.Conf) {
			if f.Path == at {
				return f.Owner, f.Group, true
			}
		}
	}
	return "", "", false
}

// Mailboxes is the directory of the mailboxes.
func (l Layout) Mailboxes() string { return filepath.Join(l.Root, l.Conf.MailboxesDir) }

// State is the directory of the relay's state.
func (l Layout) State() string { return filepath.Join(l.Root, l.Conf.StateDir) }
