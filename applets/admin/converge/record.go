package converge

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"slices"
	"strings"

	"chatmaild/applets/admin/desired"
	"chatmaild/applets/admin/host"
	"chatmaild/applets/command"
)

// A record says which files of the machine run has written, and what was in them: path →
// SHA-256 in hex. A file that no longer is what it was then has been edited by hand.
// Keys are not in it: run never replaces them.
//
// It lies in desired.Record, in the format of sha256sum(1), so that "sha256sum --check"
// names the edited files.
type record map[string]string

// readRecord returns nil on a machine that no version with a record has configured.
func readRecord(t host.Tree) (record, error) {
	text, err := t.ReadFile(desired.Record)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("reading what run has written: %w", err)
	}
	r := record{}
	for line := range strings.Lines(string(text)) {
		sum, path, ok := strings.Cut(strings.TrimSuffix(line, "\n"), "  ")
		if !ok || len(sum) != hex.EncodedLen(sha256.Size) {
			return nil, command.WithHint(fmt.Errorf("%s: %q is not a line of sha256sum", desired.Record, line),
				"delete that file; chatmaild run writes it again")
		}
		r[path] = sum
	}
	return r, nil
}

// edited returns those of the files that change whose present content is not what run has
// written. Without a record there is none: the versions that kept none replaced every file
// at each upgrade.
func (r record) edited(changes []host.Change) (paths []string) {
	if r == nil {
		return nil
	}
	for _, c := range changes {
		edited := !bytes.Equal(c.Former, c.File.Content) && r[c.File.Path] != sum(c.Former)
		if c.Exists && !c.File.Secret && edited {
			paths = append(paths, c.File.Path)
		}
	}
	return paths
}

// remember notes that the machine has these files now, or no longer.
func (r record) remember(files []desired.File) {
	for _, f := range files {
		switch {
		case f.Absent:
			delete(r, f.Path)
		case !f.Secret:
			r[f.Path] = sum(f.Content)
		}
	}
}

// file is the record as it lies on the disk.
func (r record) file() desired.File {
	var text strings.Builder
	for _, path := range slices.Sorted(maps.Keys(r)) {
		fmt.Fprintf(&text, "%s  %s\n", r[path], path)
	}
	return desired.File{Path: desired.Record, Content: []byte(text.String()), Mode: 0o600, Owner: "root", Group: "root"}
}

func sum(content []byte) string {
	hash := sha256.Sum256(content)
	return hex.EncodeToString(hash[:])
}

// remember writes to the record what the machine has after the plan.
func (p *Plan) remember(machine host.Host) error {
	r, err := readRecord(machine.Tree)
	if err != nil {
		return err
	}
	if r == nil {
		r = record{}
	}
	r.remember(p.wanted)
	changes, err := machine.Changes([]desired.File{r.file()})
	if err != nil || len(changes) == 0 {
		return err
	}
	return machine.Write(changes[0].File)
}
