// Package accounts opens the directory of accounts: that of a relay that is one machine,
// or that of several. Whoever asks which accounts there are, asks what Open returns.
package accounts

import (
	"fmt"
	"strings"
	"time"

	"chatmaild/applets/config"
	"chatmaild/store/directory"
	"chatmaild/store/directory/files"
	"chatmaild/store/directory/home"
	"chatmaild/store/directory/placement"
	"chatmaild/store/directory/postgres"
	"chatmaild/store/maildir"
)

// Names of the directory in PostgreSQL.
const (
	Database = "chatmaild"
	// Role is that of the user vmail: as which all run that ask.
	Role = "vmail"
	// Sockets is where Debian's PostgreSQL listens on its own machine.
	Sockets = "/run/postgresql"
)

// Copy is the connection string of this machine's server, for a role of the user's name.
func Copy(role string) string {
	return fmt.Sprintf("host=%s dbname=%s user=%s", Sockets, Database, role)
}

// Writer is that of whichever machine's server takes changes.
func Writer(conf *config.Config) string {
	var hosts []string
	for _, m := range config.Members(conf) {
		hosts = append(hosts, m.Addr.String())
	}
	return fmt.Sprintf("host=%s dbname=%s user=%s passfile=%s sslmode=disable target_session_attrs=read-write",
		strings.Join(hosts, ","), Database, Role, config.DirectoryPassword)
}

// Directory are the accounts of the relay.
type Directory struct {
	directory.Accounts
	// Home is nil if the relay is one machine.
	Home  *home.Accounts
	close func()
}

// Close closes the connections that are not in use.
func (d *Directory) Close() { d.close() }

// Open returns the directory that conf names. It connects to nothing yet. Alive tells
// which of several machines answers; nil: that is not known, and a new account is at home
// on this one.
func Open(conf *config.Config, alive func(machine string) bool) (*Directory, error) {
	mailboxes := maildir.New(conf.MailboxesDir, conf.AddressDomain())
	if !config.Clustered(conf) {
		return &Directory{files.New(mailboxes, time.Now), nil, func() {}}, nil
	}
	rows, err := postgres.Open(postgres.Options{
		Domain: conf.AddressDomain(), Copy: Copy(Role), Writer: Writer(conf), Copies: len(config.Members(conf)) / 2, Now: time.Now,
	})
	if err != nil {
		return nil, err
	}
	h := &home.Accounts{
		Here: conf.Cluster.Name, Directory: rows, Mailboxes: mailboxes, Place: place(conf, alive), Now: time.Now,
	}
	return &Directory{h, h, rows.Close}, nil
}

// place chooses among the machines that answer, whichever they are now.
func place(conf *config.Config, alive func(machine string) bool) func(address string) (string, error) {
	members := config.Members(conf)
	return func(address string) (string, error) {
		if alive == nil {
			return conf.Cluster.Name, nil
		}
		all := make([]placement.Machine, 0, len(members))
		for _, m := range members {
			if alive(m.Name) {
				all = append(all, placement.Machine{Name: m.Name, Room: 1})
			}
		}
		return placement.New(all).Home(address)
	}
}
