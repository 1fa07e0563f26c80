package takeover

import (
	"context"
	"path"
	"strings"

	"chatmaild/applets/admin/desired"
	"chatmaild/applets/admin/host"
	"chatmaild/applets/admin/takeover/pythonrelay"
)

// noOwner leaves files to whom they belong.
var noOwner = host.Owner{}

// data is what the new relay has elsewhere than the old one.
type data struct{ *importer }

// take puts what the new relay has elsewhere where that looks for it. Mailboxes,
// the DKIM key and acmetool's directory are where they should be.
func (im data) take(ctx context.Context) error {
	if err := im.takeSelfSigned(); err != nil {
		return err
	}
	if err := im.takePages(); err != nil {
		return err
	}
	// A copy is taken on a machine that is not a relay yet, so there is nothing to rehearse on.
	if err := im.takeEchobot(ctx); err != nil || im.from != "" {
		return err
	}
	return im.rehearse(ctx)
}

// rehearse finds out what chatmaild run would refuse, while the old relay still runs.
func (im data) rehearse(ctx context.Context) error {
	// The old relay's programs hold the ports meanwhile; they are not strangers.
	_, err := im.planner(im.conf, pythonrelay.Programs...).Relay(ctx)
	return err
}

// takeSelfSigned takes the key that apps know.
func (im data) takeSelfSigned() error {
	if _, _, external := im.conf.ExternalTLS(); external || !im.conf.SelfSigned() {
		return nil
	}
	cert, key, err := im.oldPair()
	if err != nil {
		return nil // noted by requireKeys
	}
	// Where an authority signs another certificate, run takes the key from here.
	files := []desired.File{
		{Path: desired.TLSDir + "/privkey.pem", Content: key, Mode: 0o600, Owner: "root", Group: "root", Secret: true},
		{Path: desired.TLSDir + "/fullchain.pem", Content: cert, Mode: 0o644, Owner: "root", Group: "root"},
	}
	return im.put("TLS key", files)
}

// takePages takes the operator's own pages.
func (im data) takePages() error {
	if im.conf.WWWFolder != importPages {
		return nil
	}
	var pages []desired.File
	for _, name := range im.pages {
		to, _ := pageOf(name)
		text, err := im.source.ReadFile(name)
		if err != nil {
			return err
		}
		pages = append(pages, desired.File{Path: to, Content: text, Mode: 0o644, Owner: "root", Group: "root"})
	}
	if im.journal != nil {
		if err := im.making(importPages); err != nil {
			return err
		}
	}
	return im.put("web pages", pages)
}

// put writes files that differ. What they replace is kept.
func (im data) put(what string, files []desired.File) error {
	changes, err := im.machine.Changes(files)
	if err != nil || len(changes) == 0 {
		return err
	}
	im.say("take over the %s", what)
	if im.journal != nil {
		for _, c := range changes {
			if err := im.making(c.File.Path); err != nil {
				return err
			}
		}
		if err := im.machine.Keep(importKept, changes); err != nil {
			return err
		}
	}
	for _, c := range changes {
		if err := im.machine.Write(c.File); err != nil {
			return err
		}
	}
	return nil
}

// pageOf says where a file of the old relay's document root goes. What begins with a
// dot was made for that relay: autoconfig, MTA-STS, challenges.
func pageOf(name string) (to string, ok bool) {
	rel, ok := strings.CutPrefix(name, pythonrelay.WWWRoot+"/")
	return path.Join(importPages, rel), ok && !strings.Contains("/"+rel, "/.")
}
