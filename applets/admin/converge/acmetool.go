package converge

import (
	"errors"
	"io/fs"
	"net/url"
	"path"
	"slices"
	"strings"

	"chatmaild/applets/acme/renewal"
	"chatmaild/applets/admin/desired"
	"chatmaild/applets/admin/host"
	"chatmaild/applets/admin/keyfiles"
	"chatmaild/applets/config"
	"chatmaild/applets/keys"
)

// acmetoolDir is where acmetool, which the Python relay uses, keeps its state:
// github.com/hlandau/acmetool, _doc/SCHEMA.md.
const acmetoolDir = "/var/lib/acme"

// fromAcmetool returns what acmetool left here for this relay, but nothing once there is a
// key of our own.
func (p *Planner) fromAcmetool(paths desired.Paths) ([]desired.File, error) {
	// Once there is a key of our own acmetool's is history, also if it was renewed since.
	if _, err := p.Machine.ReadFile(paths.PrivateKey); !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	return Acmetool(p.Conf, p.Machine.Tree)
}

// Acmetool returns what acmetool left for a relay on a machine, or in a copy of its files,
// where ours has it: key and certificate, which clients know, and if it is there the key
// of the account, which the CAA record may name (RFC 8657). It returns nothing if acmetool
// was never there.
func Acmetool(conf *config.Config, tree host.Tree) ([]desired.File, error) {
	live := path.Join(acmetoolDir, "live", conf.MailDomain)
	key, err := tree.ReadFile(path.Join(live, "privkey"))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	cert, err := tree.ReadFile(path.Join(live, "fullchain"))
	if err != nil {
		return nil, err
	}
	if _, err := keys.ParsePair(cert, key); err != nil {
		return nil, nil // nothing that would serve
	}
	paths := keyfiles.Paths(conf)
	files := []desired.File{{Path: paths.PrivateKey, Content: key}, {Path: paths.Certificate, Content: cert}}
	account, err := acmetoolAccount(conf, tree)
	if err != nil {
		return nil, err
	}
	if account != nil {
		files = append(files, desired.File{Path: renewal.Files(conf.ACMEDir()).AccountKey(), Content: account})
	}
	for i := range files {
		files[i].Mode, files[i].Owner, files[i].Group = 0o600, desired.ACMEUser, desired.ACMEUser
		files[i].Secret = files[i].Path != paths.Certificate
	}
	return files, nil
}

// acmetoolAccount returns the key of the account with our authority, if acmetool
// has one: accounts/DIRECTORY/HASH/privkey, where DIRECTORY is the authority's URL
// without its scheme, escaped.
func acmetoolAccount(conf *config.Config, tree host.Tree) ([]byte, error) {
	directory := conf.ACMEDirectory
	if directory == "" {
		directory = renewal.LetsEncrypt
	}
	u, err := url.Parse(directory)
	if err != nil {
		return nil, err
	}
	found, err := tree.Glob(path.Join(acmetoolDir, "accounts", "*", "*", "privkey"))
	if err != nil {
		return nil, err
	}
	slices.Sort(found)
	for _, name := range found {
		of, err := url.PathUnescape(path.Base(path.Dir(path.Dir(name))))
		if err == nil && strings.TrimSuffix(of, "/") == strings.TrimSuffix(u.Host+u.Path, "/") {
			return tree.ReadFile(name)
		}
	}
	return nil, nil
}
