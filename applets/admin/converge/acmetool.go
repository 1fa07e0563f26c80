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
	"chatmaild/applets/keys"
)

// acmetoolDir is where acmetool, which the Python relay uses, keeps its state:
// github.com/hlandau/acmetool, _doc/SCHEMA.md.
const acmetoolDir = "/var/lib/acme"

// fromAcmetool returns what acmetool left for this relay: certificate and key,
// which clients know, and the key of the account, which the CAA record names. It
// returns nothing once there is a key of our own, or if acmetool was never here.
func (p *Planner) fromAcmetool(paths desired.Paths) ([]desired.File, error) {
	// Once there is a key of our own acmetool's is history, also if it was renewed since.
	if _, err := p.Machine.ReadFile(paths.PrivateKey); !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	live := path.Join(acmetoolDir, "live", p.Conf.MailDomain)
	key, err := p.Machine.ReadFile(path.Join(live, "privkey"))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	cert, err := p.Machine.ReadFile(path.Join(live, "fullchain"))
	if err != nil {
		return nil, err
	}
	if _, err := keys.ParsePair(cert, key); err != nil {
		return nil, nil // nothing that would serve
	}
	files := []desired.File{
		{Path: paths.PrivateKey, Content: key, Secret: true},
		{Path: paths.Certificate, Content: cert},
	}
	account, err := p.acmetoolAccount()
	if err != nil || account == nil {
		return files, err
	}
	return append(files, desired.File{Path: renewal.Files(p.Conf.ACMEDir()).AccountKey(), Content: account, Secret: true}), nil
}

// acmetoolAccount returns the key of the account with our authority, if acmetool
// has one: accounts/DIRECTORY/HASH/privkey, where DIRECTORY is the authority's URL
// without its scheme, escaped.
func (p *Planner) acmetoolAccount() ([]byte, error) {
	directory := p.Conf.ACMEDirectory
	if directory == "" {
		directory = renewal.LetsEncrypt
	}
	u, err := url.Parse(directory)
	if err != nil {
		return nil, err
	}
	found, err := p.Machine.Glob(path.Join(acmetoolDir, "accounts", "*", "*", "privkey"))
	if err != nil {
		return nil, err
	}
	slices.Sort(found)
	for _, name := range found {
		of, err := url.PathUnescape(path.Base(path.Dir(path.Dir(name))))
		if err == nil && strings.TrimSuffix(of, "/") == strings.TrimSuffix(u.Host+u.Path, "/") {
			return p.Machine.ReadFile(name)
		}
	}
	return nil, nil
}
