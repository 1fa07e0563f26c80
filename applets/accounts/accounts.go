// Package accounts opens the directory of accounts: that of a relay that is one machine,
// or that of several. Every caller that needs to know which accounts exist asks what Open returns.
package accounts

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"syscall"
	"time"

	"chatmaild/applets/config"
	"chatmaild/store/directory"
	"chatmaild/store/directory/files"
	"chatmaild/store/directory/home"
	"chatmaild/store/directory/postgres"
	"chatmaild/store/directory/roll"
	"chatmaild/store/maildir"
)

// Names of the directory in PostgreSQL.
const (
	Database = "chatmaild"
	// Role is that of the user vmail: as which all run that ask.
	Role = "vmail"
	// InvitesRole is that of the web daemon, of the same name, and CertificateRole that of the
	// acme daemon.
	InvitesRole     = "chatmaild"
	CertificateRole = "chatmaild-acme"
	// Sockets is where Debian's PostgreSQL listens on its own machine.
	Sockets = "/run/postgresql"
)

// Copy is the connection string of this machine's server, for a role of the user's name.
func Copy(role string) string {
	return fmt.Sprintf("host=%s dbname=%s user=%s", Sockets, Database, role)
}

// Writer is that of whichever machine's server takes changes.
func Writer(conf *config.Config) string { return writer(conf, Role, config.DirectoryPassword) }

func writer(conf *config.Config, role, password string) string {
	var hosts []string
	for _, m := range config.Asked(conf) {
		hosts = append(hosts, m.Addr.String())
	}
	return fmt.Sprintf("host=%s dbname=%s user=%s passfile=%s sslmode=disable target_session_attrs=read-write",
		strings.Join(hosts, ","), Database, role, password)
}

// Directory are the accounts of the relay.
type Directory struct {
	directory.Accounts
	// These are nil if the relay is one machine.
	Home *home.Accounts
	Rows *postgres.Directory
	Roll *roll.Roll
	// close closes the connections that are not in use.
	close func()
}

// Close closes the connections that are not in use.
func (d *Directory) Close() { d.close() }

// Open returns the directory that conf names. It connects to nothing yet. Alive tells
// which of several machines answers; nil: that is not known, and a new account is at home
// on this one, if it takes any.
func Open(conf *config.Config, alive func(machine string) bool) (*Directory, error) {
	mailboxes := maildir.New(conf.MailboxesDir, conf.AddressDomain())
	if !config.Clustered(conf) {
		return &Directory{Accounts: files.New(mailboxes, time.Now), close: func() {}}, nil
	}
	rows, err := postgres.Open(postgres.Options{
		Domain: conf.AddressDomain(), Copy: Copy(Role), Writer: Writer(conf), Copies: copies(conf), Now: time.Now,
	})
	if err != nil {
		return nil, err
	}
	known := newRoll(conf, rows, mailboxes, alive)
	place := known.Place
	if alive == nil {
		place = func(address string) (string, error) { return placeNear(known, address) }
	}
	h := &home.Accounts{Here: conf.Cluster.Name, Directory: rows, Mailboxes: mailboxes, Place: place, Now: time.Now}
	return &Directory{h, h, rows, known, rows.Close}, nil
}

// copies is how many must copy the writer.
func copies(conf *config.Config) int { return len(config.Confirming(conf)) / 2 }

// Invites are the invites of a relay of several machines, for the commands of root; for the
// web daemon, which has a role that takes uses and nothing else.
func Invites(conf *config.Config, web bool) (*postgres.Invites, error) {
	address := Writer(conf)
	if web {
		address = writer(conf, InvitesRole, config.InvitesPassword)
	}
	return postgres.OpenInvites(postgres.Options{Writer: address, Copies: copies(conf), Now: time.Now})
}

// Certificates are what the acme daemons of a relay of several machines share.
func Certificates(conf *config.Config) (*postgres.Certificates, error) {
	return postgres.OpenCertificates(Copy(CertificateRole), config.Host(conf))
}

// placeNear returns this machine, or another one if this one takes no new accounts.
func placeNear(known *roll.Roll, address string) (string, error) {
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	if all, err := known.Copy(ctx); err == nil {
		known.Note(all)
	}
	if slices.ContainsFunc(known.Places(), func(m directory.Machine) bool { return m.Name == known.Here }) {
		return known.Here, nil
	}
	return known.Place(address)
}

// newRoll returns the roll of the machines.
func newRoll(conf *config.Config, rows *postgres.Directory, mailboxes *maildir.Store, alive func(machine string) bool) *roll.Roll {
	if alive == nil {
		alive = func(string) bool { return true }
	}
	r := &roll.Roll{
		Here: conf.Cluster.Name, Copy: rows.Machines, Word: rows.MachinesWord,
		Answers: alive, Register: rows.Register, Store: mailboxes.ID, Room: room(), Others: map[string]roll.List{},
		GivenUp: func() bool { return maildir.GivenUp(conf.MailboxesDir, conf.Cluster.Name) },
	}
	for _, m := range config.Confirming(conf) { // one that joins gets no accounts yet
		r.Members = append(r.Members, m.Name)
		if m.Name != r.Here {
			r.Others[m.Name] = func(ctx context.Context) ([]directory.Machine, error) { return postgres.MachinesOf(ctx, Server(m)) }
		}
	}
	others := len(r.Others)
	// With the writer, half of the machines confirm a change; a machine that is lost is none of
	// them. Of two, the other one alone says that one is lost.
	r.Need = max(others-(others+1)/2, min(others, 1))
	return r
}

// Server is the connection string of a machine's server, for the user vmail of another one.
func Server(m config.Member) string { return server(m, Role, config.DirectoryPassword) }

// InvitesServer is the same for the user of the web daemon.
func InvitesServer(m config.Member) string { return server(m, InvitesRole, config.InvitesPassword) }

func server(m config.Member, role, password string) string {
	return fmt.Sprintf("host=%s dbname=%s user=%s passfile=%s sslmode=disable", m.Addr, Database, role, password)
}

// memoryEach is the memory of a machine for each account that it has room for: "status"
// promises the same.
const memoryEach = 1 << 30 / 2000

// room is for how many accounts this machine has room; 0 if that is not known.
func room() int64 {
	var info syscall.Sysinfo_t
	if err := syscall.Sysinfo(&info); err != nil {
		return 0
	}
	return int64(uint64(info.Totalram)*uint64(info.Unit)) / memoryEach
}
