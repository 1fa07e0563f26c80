package applets

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"chatmaild/applets/config"
	"chatmaild/store/atomicfile"
)

// record is what is remembered of the last expiry, for the metrics. A run that was
// killed leaves that of the one before.
type record struct {
	Ended time.Time `json:"ended"`
	outcome
}

func recordPath(conf *config.Config) string {
	return filepath.Join(conf.StateDir, "expired.json")
}

func writeOutcome(conf *config.Config, o outcome, now time.Time) error {
	o.Kinds = nil // the journal has them
	text, err := json.Marshal(record{now.UTC().Truncate(time.Second), o})
	if err != nil {
		return fmt.Errorf("recording what the expiry did: %w", err)
	}
	if err := atomicfile.Write(recordPath(conf), append(text, '\n'), 0o640, nil); err != nil {
		return fmt.Errorf("recording what the expiry did: %w", err)
	}
	return nil
}

// readOutcome returns the record; false if there is none that can be read.
func readOutcome(conf *config.Config) (record, bool) {
	text, err := os.ReadFile(recordPath(conf))
	if err != nil {
		return record{}, false
	}
	var r record
	if json.Unmarshal(text, &r) != nil || r.Ended.IsZero() {
		return record{}, false
	}
	return r, true
}
