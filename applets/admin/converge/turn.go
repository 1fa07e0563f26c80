package converge

import (
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"

	"chatmaild/applets/admin/desired"
	"chatmaild/applets/command"
	"chatmaild/applets/config"
	"chatmaild/applets/turn/credential"
)

// turnFiles are the secret that TURN credentials are made with: that of another server,
// from the operator's file, or our own, which is kept while it is there: clients have
// passwords of it for days.
func turnFiles(p *Planner) ([]desired.File, error) {
	if !config.Turn(p.Conf).Announced() {
		return nil, nil
	}
	path := config.Turn(p.Conf).Secret()
	if p.Conf.TurnServer != "" {
		path = p.Conf.TurnServerSecret
	}
	text, err := p.Machine.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) && config.Turn(p.Conf).Own() {
		text, err = []byte(rand.Text()+"\n"), nil
	}
	if err != nil {
		return nil, fmt.Errorf("the secret of the TURN server: %w", err)
	}
	secret, err := credential.Parse(text)
	if err != nil && config.Turn(p.Conf).Own() {
		return nil, command.WithHint(fmt.Errorf("%s: %w", path, err), "move it away to get a new one")
	}
	if err != nil {
		return nil, fmt.Errorf("turn_server_secret: %s: %w", path, err)
	}
	return []desired.File{desired.TurnSecretFile(p.Conf, []byte(secret+"\n"))}, nil
}
