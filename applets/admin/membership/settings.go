package membership

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"chatmaild/applets/accounts"
	"chatmaild/applets/admin/wait"
	"chatmaild/applets/config"
	"chatmaild/store/directory/postgres"
)

// Names of what an operator sets for all machines.
const (
	NoCreate = "nocreate" // "on"
	Mail     = "mail "    // and a destination: a queue.Rule
)

// Shut is what the nocreate file holds where an operator has shut the door on all machines. A
// file with anything else is this machine's own.
const Shut = "on all machines of the relay: chatmaild nocreate off\n"

// Waiting for what was set.
const (
	shareTimeout = 10 * time.Second
	shareAgain   = 50 * time.Millisecond
)

// Share sets something on all machines, which follow within seconds; "" unsets it. It returns
// when this machine's own copy of the directory has it, so that this one, which does it at
// once, does not follow an earlier word. On a relay that is one machine it does nothing.
func Share(ctx context.Context, conf *config.Config, name, value string) error {
	if !config.Clustered(conf) {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, shareTimeout)
	defer cancel()
	err := postgres.Set(ctx, accounts.Writer(conf), name, value)
	if err == nil {
		err = wait.Until(ctx, shareAgain, func() (bool, error) {
			settings, err := Settings(ctx, conf)
			if err == nil && settings[name] != value {
				err = errors.New("this machine's copy of the directory does not have it yet")
			}
			return err == nil, err
		})
	}
	if err != nil {
		return fmt.Errorf("telling the other machines: %w", err)
	}
	return nil
}

// Settings returns what is set on all machines, as the nearest copy of the directory has it.
func Settings(ctx context.Context, conf *config.Config) (map[string]string, error) {
	return postgres.Settings(ctx, Nearest(conf))
}

// Nearest is the connection string of this machine's server, or, if that does not answer, of
// another one's.
func Nearest(conf *config.Config) string {
	self := config.Self(conf)
	hosts := []string{self.Addr.String()}
	for _, m := range config.Asked(conf) {
		if m != self {
			hosts = append(hosts, m.Addr.String())
		}
	}
	return fmt.Sprintf("host=%s dbname=%s user=%s passfile=%s sslmode=disable connect_timeout=2",
		strings.Join(hosts, ","), accounts.Database, accounts.Role, config.DirectoryPassword)
}
