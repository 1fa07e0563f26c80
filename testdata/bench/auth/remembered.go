package main

import (
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"sync/atomic"
	"time"

	"chatmaild/applets/command"
	"chatmaild/auth"
)

// seenUsers is how many logins doveauth is to remember within the memory that it
// may have.
const seenUsers = 200_000

// rememberAll has a new doveauth verify and remember the logins of as many
// accounts, at bcrypt's lowest cost, and measures what memory it then has. That it
// remembers them shows in a second round, which hashes nothing.
func (r *relay) rememberAll() error {
	stored, err := auth.Hash(password, auth.MinCost)
	if err != nil {
		return err
	}
	for i := range seenUsers {
		if err := account(filepath.Join(r.dir, "mail", userName("seen", i)), stored); err != nil {
			return err
		}
	}
	r.doveauth.Stop()
	fresh, err := startDaemon(r.binary, "doveauth", r.dir, sasl.socket)
	if err != nil {
		return err
	}
	r.doveauth = fresh
	fmt.Println()
	for _, round := range []string{"verified", "remembered"} {
		took, err := r.eachSeen(round)
		if err != nil {
			return fmt.Errorf("logins %s: %w", round, err)
		}
		memory, err := r.doveauth.PSS()
		if err != nil {
			return err
		}
		fmt.Printf("%d logins %s: %.0f a second, then memory of doveauth (PSS) %.1f MiB (wanted: 40)\n",
			seenUsers, round, seenUsers/took.Seconds(), memory)
	}
	return nil
}

// eachSeen logs in each account once, and says on a terminal how far it is.
func (r *relay) eachSeen(round string) (time.Duration, error) {
	var next atomic.Int64
	all := load{conns: 10, protocol: sasl, request: func(_ *rand.Rand, id int) (string, string) {
		return login(userName("seen", int(next.Add(1)-1)%seenUsers), id)
	}}
	start := time.Now()
	for next.Load() < seenUsers {
		if _, err := all.run(r.doveauth, time.Second); err != nil {
			return 0, err
		}
		if command.IsTerminal(os.Stderr) {
			fmt.Fprintf(os.Stderr, "\rlogins %s: %d of %d \r", round, min(next.Load(), seenUsers), seenUsers)
		}
	}
	return time.Since(start), nil
}
