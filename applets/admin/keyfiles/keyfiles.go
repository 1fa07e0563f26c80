// Package keyfiles is where the relay's keys and its certificate lie on this machine, and
// what state they are in. No matter who made them (the operator, the certificate authority's
// client or chatmaild run), all that read them ask here.
package keyfiles

import (
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"time"

	"chatmaild/applets/acme/renewal"
	"chatmaild/applets/admin/desired"
	"chatmaild/applets/admin/host"
	"chatmaild/applets/command"
	"chatmaild/applets/config"
	"chatmaild/applets/echobot/bot"
	"chatmaild/applets/keys"
)

// Paths says where the configuration has certificate and key.
func Paths(conf *config.Config) desired.Paths {
	if cert, key, ok := conf.ExternalTLS(); ok {
		return desired.Paths{Certificate: cert, PrivateKey: key}
	}
	if conf.ACME() {
		files := renewal.Files(conf.ACMEDir())
		return desired.Paths{Certificate: files.Certificate(), PrivateKey: files.PrivateKey()}
	}
	return desired.Paths{Certificate: desired.TLSDir + "/fullchain.pem", PrivateKey: desired.TLSDir + "/privkey.pem"}
}

// Read reads the files of the certificate and its key.
func Read(machine host.Host, paths desired.Paths) (cert, key []byte, err error) {
	cert, err1 := machine.ReadFile(paths.Certificate)
	key, err2 := machine.ReadFile(paths.PrivateKey)
	return cert, key, errors.Join(err1, err2)
}

// ReadPair reads the certificate and its key.
func ReadPair(machine host.Host, paths desired.Paths) (*keys.Certificate, error) {
	cert, key, err := Read(machine, paths)
	if err != nil {
		return nil, err
	}
	return keys.ParsePair(cert, key)
}

// ACMEState is what the acme daemon says of itself; nothing if it never ran.
func ACMEState(machine host.Host, conf *config.Config) (renewal.State, error) {
	text, err := machine.ReadFile(renewal.Files(conf.ACMEDir()).StateFile())
	if errors.Is(err, fs.ErrNotExist) {
		return renewal.State{}, nil
	}
	if err != nil {
		return renewal.State{}, err
	}
	return renewal.ParseState(text)
}

// Issued reports whether an authority has given a certificate that serves.
func Issued(conf *config.Config, machine host.Host) bool {
	pair, err := ReadPair(machine, Paths(conf))
	return err == nil && !pair.SelfSigned() && pair.Check(config.Host(conf), time.Now()) == nil
}

// DKIM is where the key of the selector is, for systemd to pass on to the transport. The
// directory is that of the Python relay, and of Debian's OpenDKIM.
func DKIM(conf *config.Config) string {
	return filepath.Join("/etc/dkimkeys", conf.DKIMSelector+".private")
}

// EchoBot reads who the echo bot is: nil if the relay has none. It fails with
// fs.ErrNotExist while there is none yet.
func EchoBot(conf *config.Config, machine host.Host) (*bot.Identity, error) {
	if !conf.Echobot {
		return nil, nil
	}
	path := config.EchoBot(conf).Identity()
	text, err := machine.ReadFile(path)
	if err != nil {
		return nil, err
	}
	id, err := bot.ParseIdentity(text)
	if err != nil {
		return nil, command.WithHint(fmt.Errorf("%s: %w", path, err),
			"restore it from a backup; or move it away to get a new bot, without contacts")
	}
	return id, nil
}
