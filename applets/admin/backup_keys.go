package admin

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"chatmaild/applets/admin/archive"
	"chatmaild/applets/admin/host"
	"chatmaild/applets/admin/vault"
	"chatmaild/applets/command"
	"chatmaild/applets/config"
	"chatmaild/packaging/dovecot/dict"
	"chatmaild/push"
)

// copyTimeout is how long the metadata daemon may take to copy its database.
const copyTimeout = 2 * time.Minute

// maxPassphrase bounds a file with a passphrase, in octets.
const maxPassphrase = 4 << 10

// locks are the flags for encryption.
type locks struct {
	passphrase string // a file
	recipient  string // likewise, of backup
	key        string // likewise, to open
}

func (l *locks) bind(fs *flag.FlagSet) {
	fs.StringVar(&l.passphrase, "passphrase-file", "", "the passphrase is the first line of `FILE`: of the archive, or of --key")
	fs.StringVar(&l.key, "key", "", "open an archive by the OpenPGP secret key in `FILE`")
}

func (l *locks) toSeal() (k vault.Keys, err error) {
	switch {
	case l.key != "":
		return k, command.Usagef("--key opens archives; --recipient makes one")
	case l.recipient != "" && l.passphrase != "":
		return k, command.Usagef("--recipient and --passphrase-file cannot be combined")
	case l.recipient != "":
		k.Public, err = readKeys(l.recipient)
	case l.passphrase != "":
		k.Passphrase, err = readPassphrase(l.passphrase)
	}
	return k, err
}

func (l *locks) toOpen() (k vault.Keys, err error) {
	if l.recipient != "" {
		return k, command.Usagef("--recipient makes an archive; --key opens one")
	}
	if l.passphrase != "" {
		if k.Passphrase, err = readPassphrase(l.passphrase); err != nil {
			return k, err
		}
	}
	if l.key == "" {
		return k, nil
	}
	if k.Secret, err = readKeys(l.key); err != nil {
		return k, err
	}
	return k, vault.Unlock(k.Secret, k.Passphrase)
}

func readPassphrase(name string) ([]byte, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, fmt.Errorf("reading the passphrase: %w", err)
	}
	defer f.Close()
	line, err := bufio.NewReader(io.LimitReader(f, maxPassphrase)).ReadBytes('\n')
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, fmt.Errorf("reading the passphrase: %w", err)
	}
	if line = bytes.TrimRight(line, "\r\n"); len(line) == 0 {
		return nil, fmt.Errorf("the first line of %s is empty: it should be the passphrase", name)
	}
	return line, nil
}

func readKeys(name string) (keys vault.Ring, err error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, fmt.Errorf("reading keys: %w", err)
	}
	defer f.Close()
	if keys, err = vault.ReadKeys(f); err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	return keys, nil
}

// openArchive opens a file, or standard input, and decrypts it if need be.
func openArchive(env *command.Env, name string, locks locks) (r *archive.Reader, in *reading, err error) {
	keys, err := locks.toOpen()
	if err != nil {
		return nil, nil, err
	}
	in = &reading{file: io.NopCloser(env.Stdin)}
	if name != "-" {
		f, err := os.Open(name)
		if err != nil {
			return nil, nil, fmt.Errorf("reading the archive: %w", err)
		}
		in.file = f
		if info, err := f.Stat(); err == nil && info.Mode().IsRegular() {
			in.size = info.Size()
		}
	}
	buffered := bufio.NewReaderSize(in.file, 1<<20)
	start, err := buffered.Peek(1)
	if err != nil {
		return nil, in, fmt.Errorf("reading the archive: %w", err)
	}
	in.Reader = buffered
	if in.sealed = vault.Sealed(start); in.sealed {
		in.Reader = vault.NewReader(buffered, keys)
	}
	r, err = archive.NewReader(in)
	if errors.Is(err, vault.ErrKey) {
		err = command.WithHint(err, "give --passphrase-file or --key")
	}
	return r, in, err
}

// reading is an archive that is being read. It counts what is in it.
type reading struct {
	io.Reader
	file   io.ReadCloser
	sealed bool
	size   int64        // of the file; 0 if it is none
	n      atomic.Int64 // octets that were read, without the encryption
}

// part tells a transfer how much was read, if that can be told.
func (r *reading) part() func() float64 {
	if r.size == 0 {
		return nil
	}
	return func() float64 { return min(float64(r.n.Load())/float64(r.size), 1) }
}

func (r *reading) Read(p []byte) (int, error) {
	n, err := r.Reader.Read(p)
	r.n.Add(int64(n))
	return n, err
}

// Close closes the file.
func (r *reading) Close() error { return r.file.Close() }

// openDatabase opens a consistent copy of the metadata daemon's database: one that the
// daemon makes, or, if it does not run, the file itself, locked as bbolt does.
func openDatabase(ctx context.Context, conf *config.Config, machine host.Host) (*os.File, error) {
	ctx, cancel := context.WithTimeout(ctx, copyTimeout)
	defer cancel()
	path, err := dict.Ask(ctx, filepath.Join(machine.Root, conf.Socket("metadata")), push.CopyKey)
	if err == nil {
		f, err := os.Open(path)
		if err != nil {
			return nil, fmt.Errorf("reading the copy of the metadata: %w", err)
		}
		return f, os.Remove(path)
	}
	if !errors.Is(err, syscall.ENOENT) && !errors.Is(err, syscall.ECONNREFUSED) {
		return nil, command.WithHint(fmt.Errorf("asking the metadata daemon: %w", err), "journalctl -u chatmaild-metadata -n 20")
	}
	f, err := os.Open(filepath.Join(machine.Root, conf.MetadataDB()))
	if err != nil {
		return nil, err
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_SH|syscall.LOCK_NB); err != nil {
		return nil, errors.Join(fmt.Errorf("the metadata daemon has its database open, and does not answer: %w", err), f.Close())
	}
	return f, nil
}

// warner prints what is noteworthy, once each, and not without end.
func warner(w io.Writer) func(string) {
	const limit = 20
	var mu sync.Mutex
	printed := 0
	return func(text string) {
		mu.Lock()
		defer mu.Unlock()
		switch printed++; {
		case printed <= limit:
			fmt.Fprintf(w, "! %s\n", text)
		case printed == limit+1:
			fmt.Fprintln(w, "! … and more")
		}
	}
}
