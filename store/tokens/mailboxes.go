package tokens

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"chatmaild/push"
)

// legacyFile is where the Python relay kept an account's tokens.
const legacyFile = "metadata.json"

// MailDir is the directory that holds the accounts' mailboxes, each under its address.
type MailDir string

var _ Mailboxes = MailDir("")

// Exists implements Mailboxes. If no mailbox exists at all, the directory is most likely
// not mounted: then nothing can be told.
func (f MailDir) Exists(account string) (bool, error) {
	path, err := f.path(account)
	if err != nil {
		return false, nil
	}
	info, err := os.Stat(path)
	switch {
	case err == nil:
		// A file has the place of a mailbox that is moving to another machine.
		return info.IsDir() || info.Mode().IsRegular(), nil
	case !errors.Is(err, fs.ErrNotExist):
		return false, fmt.Errorf("looking for a mailbox: %w", reason(err))
	}
	return false, f.populated()
}

func (f MailDir) populated() error {
	dir, err := os.Open(string(f))
	if err != nil {
		return fmt.Errorf("looking for mailboxes: %w", err)
	}
	defer dir.Close()
	if _, err := dir.Readdirnames(1); err == io.EOF {
		return errors.New("looking for mailboxes: there is none")
	} else if err != nil {
		return fmt.Errorf("looking for mailboxes: %w", err)
	}
	return nil
}

// Legacy implements Mailboxes.
func (f MailDir) Legacy(account string) ([]byte, error) {
	path, err := f.path(account)
	if err != nil {
		return nil, nil
	}
	file, err := os.Open(filepath.Join(path, legacyFile))
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ENOTDIR) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("opening an account's %s: %w", legacyFile, reason(err))
	}
	defer file.Close()
	text, err := io.ReadAll(io.LimitReader(file, push.MaxLegacySize))
	if err != nil {
		return nil, fmt.Errorf("reading an account's %s: %w", legacyFile, reason(err))
	}
	return text, nil
}

// path returns an account's directory. A name that would lead elsewhere is refused.
func (f MailDir) path(account string) (string, error) {
	if !filepath.IsLocal(account) || strings.ContainsAny(account, "/\x00") || account == "." {
		return "", errors.New("no mailbox can have this name")
	}
	return filepath.Join(string(f), account), nil
}

// reason takes the path, which names the account, out of a file error.
func reason(err error) error {
	if path, ok := errors.AsType[*fs.PathError](err); ok {
		return path.Err
	}
	return err
}
