package supervise

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"chatmaild/applets/supervise/process"
	"chatmaild/applets/supervise/unit"
)

// conditions reports whether all of them hold.
func conditions(list []unit.Condition) (bool, error) {
	for _, c := range list {
		info, err := os.Stat(c.Path)
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return false, fmt.Errorf("checking a condition: %w", err)
		}
		if holds := err == nil && (!c.Directory || info.IsDir()); holds == c.Negated {
			return false, nil
		}
	}
	return true, nil
}

// own makes a directory of a service's own. Those above it are root's.
func own(path string, mode fs.FileMode, id process.Identity) error {
	if err := public(filepath.Dir(path)); err != nil {
		return err
	}
	if err := os.Mkdir(path, mode); err != nil && !errors.Is(err, fs.ErrExist) {
		return fmt.Errorf("creating a runtime directory: %w", err)
	}
	if err := errors.Join(give(path, id.UID, id.GID), os.Chmod(path, mode)); err != nil {
		return fmt.Errorf("creating a runtime directory: %w", err)
	}
	return nil
}

// credentials copies what is root's to where only the service can read it.
func credentials(dir string, list []unit.Credential, id process.Identity) error {
	if err := os.RemoveAll(dir); err != nil {
		return fmt.Errorf("removing old credentials: %w", err)
	}
	if err := own(dir, 0o500, id); err != nil {
		return err
	}
	for _, c := range list {
		text, err := os.ReadFile(c.Path)
		if err != nil {
			return fmt.Errorf("reading the credential %s: %w", c.Name, err)
		}
		path := filepath.Join(dir, c.Name)
		if err := errors.Join(os.WriteFile(path, text, 0o400), give(path, id.UID, id.GID)); err != nil {
			return fmt.Errorf("writing the credential %s: %w", c.Name, err)
		}
	}
	return nil
}

// removeSocket removes a socket that a supervisor which was killed has left behind.
func removeSocket(path string) error {
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("removing an old socket: %w", err)
	}
	return nil
}

// public makes a directory of root's that every user may enter, whatever our mask of files.
func public(path string) error {
	if err := errors.Join(os.MkdirAll(path, 0o755), os.Chmod(path, 0o755)); err != nil {
		return fmt.Errorf("creating a runtime directory: %w", err)
	}
	return nil
}

// give changes the owner of a file, as root; another user, as in a test, keeps it.
func give(path string, uid, gid int) error {
	if os.Geteuid() != 0 {
		return nil
	}
	return os.Lchown(path, uid, gid)
}
