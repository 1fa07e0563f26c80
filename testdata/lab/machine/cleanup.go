package machine

import (
	"context"
	"errors"
	"os"
	"path/filepath"
)

const propagateDir = "/run/systemd/nspawn/propagate"

// Remove removes what the machines of a run have left behind outside its directory, which is
// named by the run's id. Their processes die with the thread that started them.
func Remove(ctx context.Context, dir string) error {
	return errors.Join(removeCgroups(ctx, dir), removeLimits(filepath.Base(dir)), removePropagation(filepath.Base(dir)))
}

// Propagation is the pattern of the directories in which systemd-nspawn lets mounts into the
// machines of a run.
func Propagation(id string) string { return filepath.Join(propagateDir, id+"-*") }

// removePropagation removes those directories; systemd-nspawn leaves them behind.
func removePropagation(id string) error {
	found, err := filepath.Glob(Propagation(id))
	for _, dir := range found {
		err = errors.Join(err, os.Remove(dir))
	}
	return err
}
