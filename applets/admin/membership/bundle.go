package membership

import (
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"slices"

	"chatmaild/applets/acme/renewal"
	"chatmaild/applets/admin/desired"
	"chatmaild/applets/admin/host"
	"chatmaild/applets/config"
	"chatmaild/store/directory/postgres"
	"chatmaild/store/invites"
)

// Offer is what a machine of the relay tells one that wants to join. It has all secrets of the
// relay: ssh is its envelope.
type Offer struct {
	Version    string             `json:"version"`
	PostgreSQL desired.PostgreSQL `json:"postgresql"`
	Config     string             `json:"config"` // the text of the file
	Files      []desired.File     `json:"files"`
	// Peers are the ends of the network that the machines make themselves, if they do.
	Peers []postgres.Peer `json:"peers"`
	// Accounts are how many are at home on each machine, and Stores the ids of the mailboxes that
	// each has registered.
	Accounts map[string]int    `json:"accounts"`
	Stores   map[string]string `json:"stores"`
}

// paths are the files that must be the same on all machines, as far as they are there. The
// configuration, which differs by the name of the machine, is not among them.
func paths(conf *config.Config, machine host.Host) ([]string, error) {
	acme := renewal.Files(conf.ACMEDir())
	all := []string{
		config.DirectoryPassword, config.InvitesPassword,
		desired.TLSDir + "/fullchain.pem", desired.TLSDir + "/privkey.pem",
		acme.Certificate(), acme.PrivateKey(), acme.AccountKey(),
		invites.KeyFile(conf.InvitesDir()), config.EchoBot(conf).Identity(), config.Turn(conf).Secret(),
		conf.ACMEDNSKey, conf.TurnServerSecret, conf.AppVersionsFile, desired.TransportMap,
	}
	if cert, key, ok := conf.ExternalTLS(); ok {
		all = append(all, cert, key)
	}
	dkim, err := machine.Glob(desired.DKIMDir + "/*.private")
	if err != nil {
		return nil, fmt.Errorf("looking for DKIM keys: %w", err)
	}
	return slices.DeleteFunc(append(all, dkim...), func(path string) bool { return path == "" }), nil
}

// Files are those that another machine needs, with owners and modes.
func Files(conf *config.Config, machine host.Host) (files []desired.File, err error) {
	all, err := paths(conf, machine)
	if err != nil {
		return nil, err
	}
	for _, path := range all {
		f, err := host.File(machine.Tree, path)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, err
		}
		files = append(files, f)
	}
	return files, nil
}

// Accept returns what of an offer's files a machine writes: none that no relay of that
// configuration has.
func Accept(conf *config.Config, files []desired.File) error {
	known, err := paths(conf, host.Host{})
	if err != nil {
		return err
	}
	for _, f := range files {
		dkim, err := filepath.Match(desired.DKIMDir+"/*.private", f.Path)
		if err != nil || f.Absent || !dkim && !slices.Contains(known, f.Path) {
			return fmt.Errorf("the other machine offers %s, which is no file of a relay with its configuration", f.Path)
		}
	}
	return nil
}
