// Package relocation is what a machine knows of a restore or a move that is not finished,
// or of a relay that has moved away: a file in the directory of the state for each.
package relocation

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"slices"

	"chatmaild/applets/admin/host"
	"chatmaild/applets/admin/transfer/snapshot"
	"chatmaild/applets/command"
	"chatmaild/applets/config"
	"chatmaild/store/atomicfile"
	"chatmaild/store/safefs"
)

// A Restore is on a machine while a restore is not finished. Until then the relay
// must not run: only a part of it may be there.
type Restore struct {
	ID   string `json:"id"`             // of the archive, or of the move
	Last string `json:"last,omitempty"` // the piece up to which all is in place
}

// A Phase is how far a move has come.
type Phase string

// The phases, in their order.
const (
	Copying Phase = "copying"      // mail is on here
	Off     Phase = "mail is off"  // on both sides; going back is safe
	Handing Phase = "handing over" // the other side may be on already
	Done    Phase = "moved"
)

// Order is a phase's place among the others: a later one is greater.
func Order(p Phase) int { return max(slices.Index([]Phase{Copying, Off, Handing, Done}, p), 0) }

// A Move is on the machine that a relay moves away from.
type Move struct {
	ID    string `json:"id"`
	To    string `json:"to"` // as ssh takes it
	Phase Phase  `json:"phase"`
	// Addresses are what DNS must name once the move is done.
	Addresses []string `json:"addresses,omitempty"`
}

// A Record is one of the two files, in the directory of the state.
type Record struct{ Path string }

// RestoreIn is the record of a restore.
func RestoreIn(conf *config.Config, machine host.Host) Record {
	return Record{filepath.Join(machine.Root, conf.StateDir, snapshot.RestoreRecord)}
}

// MoveIn is the record of a move.
func MoveIn(conf *config.Config, machine host.Host) Record {
	return Record{filepath.Join(machine.Root, conf.StateDir, snapshot.MoveRecord)}
}

// Read reports whether there is a record.
func (r Record) Read(into any) (bool, error) {
	text, err := safefs.ReadFile(r.Path)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err == nil {
		err = json.Unmarshal(text, into)
	}
	if err != nil {
		return false, fmt.Errorf("reading %s: %w", r.Path, err)
	}
	return true, nil
}

// Write replaces it.
func (r Record) Write(value any) error {
	text, err := json.Marshal(value)
	if err != nil {
		return err
	}
	return atomicfile.Write(r.Path, text, 0o644, nil)
}

// Remove removes it; there need not be one.
func (r Record) Remove() error {
	if err := safefs.Remove(r.Path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return atomicfile.SyncDir(filepath.Dir(r.Path))
}

// RequireSettled refuses to start a relay of which only a part is here, or that is
// somewhere else by now: two of them would share the mail of one domain.
func RequireSettled(conf *config.Config, machine host.Host) error {
	var restore Restore
	unfinished := RestoreIn(conf, machine)
	if is, err := unfinished.Read(&restore); err != nil {
		return err
	} else if is {
		return command.WithHint(errors.New("a restore is not finished: only a part of the relay is here"),
			"run the same chatmaild restore or move again; or remove %s to do without the rest", unfinished.Path)
	}
	var move Move
	moved := MoveIn(conf, machine)
	if is, err := moved.Read(&move); err != nil {
		return err
	} else if is && (move.Phase == Done || move.Phase == Handing) {
		return command.WithHint(fmt.Errorf("this relay has moved to %s", move.To),
			"to bring it back, with all mail that has arrived since, on that machine: chatmaild move root@THIS; "+
				"if that is impossible, make sure that mail is off there, remove %s here, and then: postsuper -H ALL; chatmaild run", moved.Path)
	}
	return nil
}
