package supervise

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"chatmaild/applets/supervise/unit"
)

// directories are where units lie; the first file of a name counts. Ours for the servers
// around us are for here alone: Debian's start them in the background, by means of systemd.
// release is Debian's VERSION_ID.
func directories(release string) []string {
	const ours = "/usr/share/chatmaild/supervise"
	return []string{"/etc/systemd/system", filepath.Join(ours, release), ours, "/lib/systemd/system"}
}

// errNoUnit says that no directory has a file for a unit.
var errNoUnit = errors.New("there is no such unit")

// load reads a unit with its drop-ins, and those by its other names.
func load(dirs []string, name string) (*unit.Unit, error) {
	files, err := unitFiles(dirs, name)
	if err != nil {
		return nil, err
	}
	u, err := unit.Parse(name, files...)
	if err != nil {
		return nil, err
	}
	for _, alias := range u.Aliases {
		more, err := dropins(dirs, alias)
		if err != nil {
			return nil, err
		}
		files = append(files, more...)
	}
	return unit.Parse(name, files...)
}

// unitFiles are a unit's own file, and its drop-ins.
func unitFiles(dirs []string, name string) ([]unit.File, error) {
	for _, dir := range dirs {
		path := filepath.Join(dir, name)
		text, err := os.ReadFile(path)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("reading a unit: %w", err)
		}
		more, err := dropins(dirs, name)
		return append([]unit.File{{Path: path, Text: string(text)}}, more...), err
	}
	return nil, fmt.Errorf("%s: %w", name, errNoUnit)
}

// dropins are a unit's, by the names of the files. That of ours for all of our services is
// in chatmaild-.service.d (systemd.unit(5)).
func dropins(dirs []string, name string) ([]unit.File, error) {
	names := []string{name}
	if strings.HasPrefix(name, "chatmaild-") {
		names = append(names, "chatmaild-"+filepath.Ext(name))
	}
	byName := map[string]string{} // base name → path
	for _, dir := range dirs {
		for _, n := range names {
			paths, err := filepath.Glob(filepath.Join(dir, n+".d", "*.conf"))
			if err != nil {
				return nil, err
			}
			for _, path := range paths {
				if base := filepath.Base(path); byName[base] == "" {
					byName[base] = path
				}
			}
		}
	}
	var files []unit.File
	for _, base := range slices.Sorted(maps.Keys(byName)) {
		text, err := os.ReadFile(byName[base])
		if err != nil {
			return nil, fmt.Errorf("reading a drop-in: %w", err)
		}
		files = append(files, unit.File{Path: byName[base], Text: string(text)})
	}
	return files, nil
}

// aliases are the other names of the servers' units.
func aliases(dirs []string) (map[string]string, error) {
	found := map[string]string{}
	for _, name := range []string{"postfix.service", "dovecot.service", "nginx.service"} {
		u, err := load(dirs, name)
		if errors.Is(err, errNoUnit) {
			continue
		}
		if err != nil {
			return nil, err
		}
		for _, alias := range u.Aliases {
			found[alias] = name
		}
	}
	return found, nil
}
