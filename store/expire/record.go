package expire

import (
	"encoding/json"
	"fmt"
	"path/filepath"
	"time"

	"chatmaild/store/atomicfile"
	"chatmaild/store/maildir"
	"chatmaild/store/safefs"
)

// Outcome is the summary of a run of expire, as it is printed and recorded.
type Outcome struct {
	DryRun    bool             `json:"dry_run"`
	Mailboxes int64            `json:"mailboxes"`
	Messages  int64            `json:"messages"`
	Over      int64            `json:"over"`       // mailboxes above FullPercent
	StillOver int64            `json:"still_over"` // and after it, with mail that is Protected
	Deleted   map[string]Tally `json:"deleted"`    // by the reason's name
	Freed     int64            `json:"freed"`
	Faults    int64            `json:"faults"`
	Kinds     []maildir.Fault  `json:"fault_kinds"`
	Seconds   float64          `json:"seconds"`
}

// Reasons returns those for which expire deletes.
func Reasons() []Reason { return []Reason{Old, Large, Full, Inactive, Empty} }

// NewOutcome returns the outcome of a run that took so long.
func NewOutcome(dryRun bool, sum Summary, faults *maildir.Faults, took time.Duration) Outcome {
	o := Outcome{
		DryRun: dryRun, Mailboxes: sum.Mailboxes, Messages: sum.Messages, Over: sum.Over, StillOver: sum.StillOver,
		Deleted: make(map[string]Tally), Freed: sum.Freed(),
		Faults: faults.Total(), Kinds: faults.Kinds(), Seconds: took.Seconds(),
	}
	for _, r := range Reasons() {
		o.Deleted[r.String()] = sum.Deleted[r]
	}
	return o
}

// Record is what is remembered of the last run, for the metrics. A run that was
// killed leaves that of the one before.
type Record struct {
	Ended time.Time `json:"ended"`
	Outcome
}

// RecordFile is where the record is in expire's own directory.
func RecordFile(dir string) string { return filepath.Join(dir, "expired.json") }

// WriteRecord records the outcome of a run that ends now.
func WriteRecord(path string, o Outcome, now time.Time) error {
	o.Kinds = nil // the journal has them
	text, err := json.Marshal(Record{now.UTC().Truncate(time.Second), o})
	if err != nil {
		return fmt.Errorf("recording what the expiry did: %w", err)
	}
	if err := atomicfile.Write(path, append(text, '\n'), 0o640, nil); err != nil {
		return fmt.Errorf("recording what the expiry did: %w", err)
	}
	return nil
}

// ReadRecord returns the record; false if there is none that can be read.
func ReadRecord(path string) (Record, bool) {
	text, err := safefs.ReadFile(path)
	if err != nil {
		return Record{}, false
	}
	var r Record
	if json.Unmarshal(text, &r) != nil || r.Ended.IsZero() {
		return Record{}, false
	}
	return r, true
}
