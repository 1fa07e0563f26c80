package doveauth

import (
	"errors"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"testing"

	"chatmaild/store/maildir"
)

// TestRepair has a message that is shorter than its name says: it goes only at the first start
// after a power failure, and stays after a crash of the daemon alone.
func TestRepair(t *testing.T) {
	dir := t.TempDir()
	mailboxes := maildir.New(dir, "chat.example")
	message := filepath.Join(dir, "alice@chat.example", "new", "1.torn,S=100")
	if err := os.MkdirAll(filepath.Dir(message), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(message, []byte("part"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, start := range []struct {
		boot string
		gone bool
	}{{"first", false}, {"first", false}, {"second", true}} {
		repair(t.Context(), mailboxes, maildir.UseOf(dir), start.boot, slog.New(slog.DiscardHandler))
		if _, err := os.Stat(message); errors.Is(err, fs.ErrNotExist) != start.gone {
			t.Errorf("in the %s boot: %v", start.boot, err)
		}
	}
}
