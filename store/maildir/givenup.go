package maildir

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"chatmaild/store/atomicfile"
)

// givenUpFile holds the name of the machine that was given up with the mailboxes.
const givenUpFile = ".lost"

// GivenUp reports whether the mailboxes in dir are those of a machine of that name which was
// given up: others have its accounts.
func GivenUp(dir, machine string) bool {
	text, err := os.ReadFile(filepath.Join(dir, givenUpFile))
	return err == nil && strings.TrimSpace(string(text)) == machine
}

// GiveUp notes that for good: a machine that is started again must know it without any other.
func GiveUp(dir, machine string) error {
	if err := atomicfile.Write(filepath.Join(dir, givenUpFile), []byte(machine+"\n"), 0o600, nil); err != nil {
		return fmt.Errorf("noting that the mailboxes are given up: %w", err)
	}
	return atomicfile.SyncDir(dir)
}
