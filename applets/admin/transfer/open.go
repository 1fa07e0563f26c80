package transfer

import (
	"bufio"
	"bytes"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"sync/atomic"

	"chatmaild/applets/admin/transfer/archive"
	"chatmaild/applets/admin/transfer/seal"
	"chatmaild/applets/command"
)

// maxPassphrase bounds a file with a passphrase, in bytes.
const maxPassphrase = 4 << 10

// Locks are the flags for encryption; each names a file.
type Locks struct {
	Passphrase string // a file
	Recipient  string // likewise, of backup
	Key        string // likewise, to open
}

// Bind declares the flags that open an archive.
func (l *Locks) Bind(fs *flag.FlagSet) {
	fs.StringVar(&l.Passphrase, "passphrase-file", "", "read the passphrase, of the archive or of --key, from the first line of `FILE`")
	fs.StringVar(&l.Key, "key", "", "decrypt an archive with the OpenPGP secret key in `FILE`")
}

// ToSeal returns what to encrypt an archive with.
func (l *Locks) ToSeal() (k seal.Keys, err error) {
	switch {
	case l.Key != "":
		return k, command.Usagef("--key is for opening an archive; use --recipient to encrypt one")
	case l.Recipient != "" && l.Passphrase != "":
		return k, command.Usagef("--recipient and --passphrase-file exclude each other")
	case l.Recipient != "":
		k.Public, err = readKeys(l.Recipient)
	case l.Passphrase != "":
		k.Passphrase, err = readPassphrase(l.Passphrase)
	}
	return k, err
}

// ToOpen returns what to decrypt one with.
func (l *Locks) ToOpen() (k seal.Keys, err error) {
	if l.Recipient != "" {
		return k, command.Usagef("--recipient is for encrypting an archive; use --key to open one")
	}
	if l.Passphrase != "" {
		if k.Passphrase, err = readPassphrase(l.Passphrase); err != nil {
			return k, err
		}
	}
	if l.Key == "" {
		return k, nil
	}
	if k.Secret, err = readKeys(l.Key); err != nil {
		return k, err
	}
	return k, seal.Unlock(k.Secret, k.Passphrase)
}

// readPassphrase takes the first line only: editors end files with a line feed, which is
// not part of it.
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
		return nil, fmt.Errorf("the first line of %s, which should be the passphrase, is empty", name)
	}
	return line, nil
}

// readKeys reads an exported key ring, armoured or not.
func readKeys(name string) (keys seal.Ring, err error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, fmt.Errorf("reading keys: %w", err)
	}
	defer f.Close()
	if keys, err = seal.ReadKeys(f); err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	return keys, nil
}

// Open opens a file, or standard input, and decrypts it if need be.
func Open(env *command.Env, name string, locks Locks) (r *archive.Reader, in *Input, err error) {
	keys, err := locks.ToOpen()
	if err != nil {
		return nil, nil, err
	}
	in = &Input{file: io.NopCloser(env.Stdin)}
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
	if in.Sealed = seal.Sealed(start); in.Sealed {
		in.Reader = seal.NewReader(buffered, keys)
	}
	r, err = archive.NewReader(in)
	if errors.Is(err, seal.ErrKey) {
		err = command.WithHint(err, "use --passphrase-file or --key")
	}
	return r, in, err
}

// Input is an archive that is being read. It counts what is in it.
type Input struct {
	io.Reader
	file   io.ReadCloser
	Sealed bool
	size   int64        // of the file; 0 if it is none
	N      atomic.Int64 // bytes that were read, without the encryption
}

// Part tells a Progress how much was read, if that can be told.
func (r *Input) Part() func() float64 {
	if r.size == 0 {
		return nil
	}
	return func() float64 { return min(float64(r.N.Load())/float64(r.size), 1) }
}

func (r *Input) Read(p []byte) (int, error) {
	n, err := r.Reader.Read(p)
	r.N.Add(int64(n))
	return n, err
}

// Close closes the file.
func (r *Input) Close() error { return r.file.Close() }
