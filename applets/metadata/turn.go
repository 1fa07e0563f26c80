package metadata

import (
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"time"

	"chatmaild/applets/config"
	"chatmaild/applets/turn/credential"
)

// turnCredentials returns what makes the entry by which a user's client reaches the TURN
// server: "host:port:expiry:password". It is nil if there is no server.
func turnCredentials(conf *config.Config, log *slog.Logger) (func(user string) string, error) {
	if !config.Turn(conf).Announced() {
		return nil, nil
	}
	text, err := os.ReadFile(config.Turn(conf).Secret())
	if errors.Is(err, fs.ErrNotExist) {
		// As after an upgrade, until run has made it: push continues meanwhile.
		log.Warn("no TURN server is announced yet: chatmaild run creates what it needs")
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	secret, err := credential.Parse(text)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", config.Turn(conf).Secret(), err)
	}
	return func(user string) string {
		name, password := secret.Issue(user, time.Now())
		return config.Turn(conf).Address() + ":" + name + ":" + password
	}, nil
}
