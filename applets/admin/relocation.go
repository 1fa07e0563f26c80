package admin

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"chatmaild/applets/admin/host"
	"chatmaild/applets/admin/snapshot"
	"chatmaild/applets/command"
	"chatmaild/applets/config"
	"chatmaild/store/atomicfile"
)

// A restoreRecord is on a machine while a restore is not finished. Until then the relay
// must not run: only a part of it may be there.
type restoreRecord struct {
	ID   string `json:"id"`             // of the archive, or of the move
	Last string `json:"last,omitempty"` // the piece up to which all is in place
}

// A movePhase is how far a move has come.
type movePhase string

const (
	moveCopying movePhase = "copying"      // mail is on here
	moveOff     movePhase = "mail is off"  // on both sides; going back is safe
	moveHanding movePhase = "handing over" // the other side may be on already
	moveDone    movePhase = "moved"
)

// A moveRecord is on the machine that a relay moves away from.
type moveRecord struct {
	ID    string    `json:"id"`
	To    string    `json:"to"` // as ssh takes it
	Phase movePhase `json:"phase"`
	// Addresses are what DNS shall name, for whoever finishes the move.
	Addresses []string `json:"addresses,omitempty"`
}

// record is one of the two files, in the folder of the state.
type record struct{ path string }

func restoreRecordOf(conf *config.Config, machine host.Host) record {
	return record{filepath.Join(machine.Root, conf.StateDir, snapshot.RestoreRecord)}
}

func moveRecordOf(conf *config.Config, machine host.Host) record {
	return record{filepath.Join(machine.Root, conf.StateDir, snapshot.MoveRecord)}
}

// read reports whether there is a record.
func (r record) read(into any) (bool, error) {
	text, err := os.ReadFile(r.path)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err == nil {
		err = json.Unmarshal(text, into)
	}
	if err != nil {
		return false, fmt.Errorf("reading %s: %w", r.path, err)
	}
	return true, nil
}

func (r record) write(value any) error {
	text, err := json.Marshal(value)
	if err != nil {
		return err
	}
	return atomicfile.Write(r.path, text, 0o644, nil)
}

func (r record) remove() error {
	if err := os.Remove(r.path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return atomicfile.SyncDir(filepath.Dir(r.path))
}

// requireSettled refuses to start a relay of which only a part is here, or that is
// somewhere else by now: two of them would share the mail of one domain.
func requireSettled(conf *config.Config, machine host.Host) error {
	var restore restoreRecord
	unfinished := restoreRecordOf(conf, machine)
	if is, err := unfinished.read(&restore); err != nil {
		return err
	} else if is {
		return command.WithHint(errors.New("a restore is not finished, only a part of the relay is here"),
			"run the same chatmaild restore, or move, again; or remove %s to do without the rest", unfinished.path)
	}
	var move moveRecord
	moved := moveRecordOf(conf, machine)
	if is, err := moved.read(&move); err != nil {
		return err
	} else if is && (move.Phase == moveDone || move.Phase == moveHanding) {
		return command.WithHint(fmt.Errorf("this relay has moved to %s", move.To),
			"to have it here again, with all that has come since, there: chatmaild move root@THIS; "+
				"if that cannot be, see that mail is off there, remove %s here, and then: postsuper -H ALL; chatmaild run", moved.path)
	}
	return nil
}

// settled tells of a relay that is here in part only, or has moved away.
func (e *examiner) settled() {
	err := requireSettled(e.conf, e.machine)
	var hint *command.HintError
	switch {
	case errors.As(err, &hint):
		e.say("whole", trouble, hint.Hint, "%v", err)
	case err != nil:
		e.say("whole", trouble, "", "%v", err)
	}
}
