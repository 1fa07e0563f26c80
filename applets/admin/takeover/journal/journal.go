// Package journal is what a takeover has done and how things were before it, by which it
// is resumed or undone. It is pure.
package journal

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"
	"time"
)

// journalVersion changes when an older chatmaild could not undo what a newer did.
const journalVersion = 1

// maxJournal bounds a journal, in bytes. A unit takes some 100, a blocked account 40.
const maxJournal = 32 << 20

// Step is a part of a takeover that is done as a whole, or not yet.
type Step string

// The steps, in their order. Up to StepStop nobody notices anything.
const (
	StepKeep   Step = "keep"   // what is replaced lies in the directory of the journal
	StepConfig Step = "config" // chatmail.toml is there
	StepData   Step = "data"   // so are keys, pages and the echo bot's identity
	StepStop   Step = "stop"   // mail is off; the old units are stopped and masked
	StepRun    Step = "run"    // this machine is what chatmail.toml says
	StepNotify Step = "notify" // notifications that waited are on their way
)

var steps = []Step{StepKeep, StepConfig, StepData, StepStop, StepRun, StepNotify}

// Unit is a unit of the old relay as it was before the takeover.
type Unit struct {
	Name    string `json:"name"`
	Enabled bool   `json:"enabled"`
	Active  bool   `json:"active"`
	// Moved is whether its file lay in /etc/systemd/system, where a mask goes.
	Moved bool `json:"moved,omitempty"`
}

// Journal is what a takeover has done, and what it needs to undo it.
type Journal struct {
	Version int       `json:"version"`
	Domain  string    `json:"domain"`
	Begun   time.Time `json:"begun"`
	Done    []Step    `json:"done"`
	Undoing bool      `json:"undoing,omitempty"`

	Units   []Unit   `json:"units"`             // in the order in which they are stopped
	Servers []Unit   `json:"servers"`           // Postfix and the like, which continue
	Made    []string `json:"made,omitempty"`    // files that were not there before
	Created []string `json:"created,omitempty"` // files and directories of ours, which an undo moves away
	Moved   []string `json:"crons,omitempty"`   // other files, moved away; once, those of cron alone
	Blocked []string `json:"blocked,omitempty"` // addresses that the old relay's operator had blocked
}

// New begins one.
func New(domain string, now time.Time) *Journal {
	return &Journal{Version: journalVersion, Domain: domain, Begun: now.UTC().Truncate(time.Second)}
}

// Encode writes the journal.
func (j *Journal) Encode() ([]byte, error) {
	text, err := json.MarshalIndent(j, "", "\t")
	if err != nil {
		return nil, fmt.Errorf("writing the journal: %w", err)
	}
	if len(text) >= maxJournal {
		return nil, fmt.Errorf("writing the journal: it has %d bytes, more than the maximum of %d", len(text), maxJournal)
	}
	return append(text, '\n'), nil
}

// Path is where a takeover keeps its journal.
const Path = "/var/backups/chatmaild/import/journal.json"

// Read reads the journal by read; nil if no takeover has begun.
func Read(read func(path string) ([]byte, error)) (*Journal, error) {
	text, err := read(Path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	var j *Journal
	if err == nil {
		j, err = Decode(text)
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", Path, err)
	}
	return j, nil
}

// Decode reads one. It refuses what names a file or a unit that a takeover
// would not: what it says is moved and started, by root.
func Decode(text []byte) (*Journal, error) {
	if len(text) > maxJournal {
		return nil, fmt.Errorf("the journal has %d bytes, more than the maximum of %d", len(text), maxJournal)
	}
	j := &Journal{}
	if err := json.Unmarshal(text, j); err != nil {
		return nil, fmt.Errorf("reading the journal: %w", err)
	}
	if j.Version > journalVersion {
		return nil, fmt.Errorf("the journal has version %d, and this chatmaild knows %d: use the newer one that began the import", j.Version, journalVersion)
	}
	if j.Version != journalVersion || j.Domain == "" {
		return nil, errors.New("the journal is damaged: it has no version or domain")
	}
	for _, step := range j.Done {
		if !slices.Contains(steps, step) {
			return nil, fmt.Errorf("the journal is damaged: unknown step %q", step)
		}
	}
	for _, u := range slices.Concat(j.Units, j.Servers) {
		if !unitName(u.Name) {
			return nil, fmt.Errorf("the journal is damaged: %q is not a unit", u.Name)
		}
	}
	for _, name := range slices.Concat(j.Made, j.Created, j.Moved) {
		if !path.IsAbs(name) || path.Clean(name) != name || name == "/" {
			return nil, fmt.Errorf("the journal is damaged: %q is not a path", name)
		}
	}
	for _, addr := range j.Blocked {
		if !strings.Contains(addr, "@") || strings.ContainsAny(addr, "/\n\x00") {
			return nil, fmt.Errorf("the journal is damaged: %q is not an address", addr)
		}
	}
	return j, nil
}

// unitName reports whether a name can be a unit's: it becomes part of a path, as root.
func unitName(name string) bool {
	kind := path.Ext(name)
	return slices.Contains([]string{".service", ".timer", ".socket", ".path"}, kind) && !strings.ContainsAny(name, "/ \n") && name != kind
}

// Has reports whether the step is done.
func (j *Journal) Has(step Step) bool { return slices.Contains(j.Done, step) }

// Next is the step that is not done yet, or "" if all are.
func (j *Journal) Next() Step {
	for _, step := range steps {
		if !j.Has(step) {
			return step
		}
	}
	return ""
}
