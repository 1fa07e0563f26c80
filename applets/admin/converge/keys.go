package converge

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"slices"

	"chatmaild/applets/admin/desired"
	"chatmaild/applets/admin/keyfiles"
	"chatmaild/applets/command"
	"chatmaild/applets/config"
	"chatmaild/applets/keys"
)

// keyFiles returns where the relay's keys are, and those that have to be made. A
// key that is there is never replaced: clients pin the one of the certificate,
// and DNS names the one of DKIM.
func (p *Planner) keyFiles() (paths desired.Paths, make []desired.File, err error) {
	paths.DKIMKey = keyfiles.DKIM(p.Conf)
	if config.Signs(p.Conf) {
		dkim, err := p.dkimKey(paths.DKIMKey)
		if err != nil {
			return paths, nil, err
		}
		make = append(make, dkim...)
	}
	tls := keyfiles.Paths(p.Conf)
	paths.Certificate, paths.PrivateKey = tls.Certificate, tls.PrivateKey
	if _, _, external := p.Conf.ExternalTLS(); external {
		return paths, make, p.checkExternal(paths.Certificate, paths.PrivateKey)
	}
	var pair []desired.File
	if p.Conf.ACME() {
		pair, err = p.acmeFiles(paths)
	} else {
		pair, err = p.selfSigned(paths)
	}
	return paths, append(make, pair...), err
}

// acmeFiles are those that the acme daemon finds when it starts for the first
// time: what acmetool left, or a key, and a certificate of our own that the
// servers have until there is a real one. What exists is the daemon's
// alone.
func (p *Planner) acmeFiles(paths desired.Paths) ([]desired.File, error) {
	files, err := p.fromAcmetool(paths)
	if err != nil {
		return nil, err
	}
	// nginx, Postfix and Dovecot do not start without a certificate, and HTTP-01 needs nginx.
	if files == nil {
		if files, err = p.selfSigned(before(p, paths)); err != nil {
			return nil, err
		}
	}
	files[0].Path, files[1].Path = paths.PrivateKey, paths.Certificate
	var missing []desired.File
	for _, f := range files {
		if _, err := p.Machine.ReadFile(f.Path); err == nil {
			continue
		} else if !errors.Is(err, fs.ErrNotExist) {
			return nil, err
		}
		f.Mode, f.Owner, f.Group = 0o600, desired.ACMEUser, desired.ACMEUser
		missing = append(missing, f)
	}
	return missing, nil
}

// before is where a relay at an address had its key and its certificate before it asked an
// authority for one. Clients may know the key.
func before(p *Planner, paths desired.Paths) desired.Paths {
	former := desired.Paths{Certificate: desired.TLSDir + "/fullchain.pem", PrivateKey: desired.TLSDir + "/privkey.pem"}
	if there, err := p.Machine.Exists(paths.PrivateKey); err != nil || there || !p.Conf.SelfSigned() {
		return paths
	}
	if there, err := p.Machine.Exists(former.PrivateKey); err != nil || !there {
		return paths
	}
	return former
}

// dkimKey keeps the key that is there. One that cannot be read is an error, not a reason
// for a new one: the DNS has the public half.
func (p *Planner) dkimKey(path string) ([]desired.File, error) {
	text, err := p.Machine.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		text, err = keys.NewDKIM()
	}
	if err != nil {
		return nil, err
	}
	if _, err := keys.DKIMRecord(text); err != nil {
		return nil, command.WithHint(fmt.Errorf("%s: %w", path, err), "move it away to get a new one, with another DNS record")
	}
	return []desired.File{{
		Path: path, Content: text, Mode: 0o600, Owner: "root", Group: "root", Secret: true,
	}}, nil
}

// selfSigned keeps the key, and the certificate too while it serves.
func (p *Planner) selfSigned(paths desired.Paths) ([]desired.File, error) {
	key, err := p.Machine.ReadFile(paths.PrivateKey)
	if errors.Is(err, fs.ErrNotExist) {
		key, err = keys.New()
	}
	if err != nil {
		return nil, err
	}
	cert, err := p.Machine.ReadFile(paths.Certificate)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	if !p.serves(cert, key) {
		if cert, err = keys.SelfSign(config.Host(p.Conf), key, p.Now); err != nil {
			return nil, err
		}
	}
	return []desired.File{
		{Path: paths.PrivateKey, Content: key, Mode: 0o600, Owner: "root", Group: "root", Secret: true},
		{Path: paths.Certificate, Content: cert, Mode: 0o644, Owner: "root", Group: "root"},
	}, nil
}

// submissionCertificate is the copy for filtermail-out of the certificate and its key, which
// are there or among those to be written.
func (p *Planner) submissionCertificate(paths desired.Paths, made []desired.File) (desired.File, error) {
	read := func(path string) ([]byte, error) {
		if i := slices.IndexFunc(made, func(f desired.File) bool { return f.Path == path }); i >= 0 {
			return made[i].Content, nil
		}
		return p.Machine.ReadFile(path)
	}
	certificate, err := read(paths.Certificate)
	if err != nil {
		return desired.File{}, err
	}
	key, err := read(paths.PrivateKey)
	if err != nil {
		return desired.File{}, err
	}
	return desired.SubmissionCertificate(p.Conf, certificate, key), nil
}

// serves reports whether certificate and key belong together and are valid for the relay
// now.
func (p *Planner) serves(cert, key []byte) bool {
	if len(bytes.TrimSpace(cert)) == 0 {
		return false
	}
	pair, err := keys.ParsePair(cert, key)
	return err == nil && pair.Check(config.Host(p.Conf), p.Now) == nil
}

// checkExternal reads the operator's own pair before the servers do: they would refuse
// to start.
func (p *Planner) checkExternal(certPath, keyPath string) error {
	cert, err := p.Machine.ReadFile(certPath)
	if err != nil {
		return fmt.Errorf("tls_external_cert_and_key: %w", err)
	}
	key, err := p.Machine.ReadFile(keyPath)
	if err != nil {
		return fmt.Errorf("tls_external_cert_and_key: %w", err)
	}
	pair, err := keys.ParsePair(cert, key)
	if err == nil {
		err = pair.Check(config.Host(p.Conf), p.Now)
	}
	if err != nil {
		return fmt.Errorf("tls_external_cert_and_key: %s cannot be used: %w", certPath, err)
	}
	return nil
}
