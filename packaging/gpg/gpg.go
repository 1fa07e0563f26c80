// Package gpg signs what we publish, by gpg(1): with keys of its keyring, on a card too,
// which are asked for by its agent. apt(8) checks such signatures.
package gpg

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"chatmaild/packaging/program"
)

// Keys are fingerprints of the keys that sign. More than one: while a new key replaces an
// old one, a signature by either is enough.
type Keys []string

// Find looks up the keys that a user names by anything that gpg accepts, with spaces
// between. Their secret halves must be there.
func Find(ctx context.Context, names string) (Keys, error) {
	if strings.TrimSpace(names) == "" {
		return nil, errors.New("missing key: KEY=FINGERPRINT of a key that gpg has (gpg --list-secret-keys)")
	}
	var keys Keys
	for _, name := range strings.Fields(names) {
		out, err := run(ctx, "--with-colons", "--list-secret-keys", name)
		if err != nil {
			return nil, fmt.Errorf("gpg has no secret key %s (gpg --list-secret-keys): %w", name, err)
		}
		// The first line "fpr" is the primary key's: doc/DETAILS of GnuPG.
		for line := range strings.Lines(string(out)) {
			if fields := strings.Split(line, ":"); fields[0] == "fpr" && len(fields) > 9 {
				keys = append(keys, fields[9])
				break
			}
		}
	}
	return keys, nil
}

// Clearsign writes the text in a file to another one, signed (RFC 9580, section 7).
func (k Keys) Clearsign(ctx context.Context, in, out string) error {
	return k.sign(ctx, in, out, "--clearsign")
}

// Detach writes the armored signature of a file to another one.
func (k Keys) Detach(ctx context.Context, in, out string) error {
	return k.sign(ctx, in, out, "--armor", "--detach-sign")
}

func (k Keys) sign(ctx context.Context, in, out string, how ...string) error {
	args := []string{"--digest-algo", "SHA512", "--yes", "--output", out}
	for _, key := range k {
		args = append(args, "--local-user", key)
	}
	if _, err := run(ctx, append(append(args, how...), in)...); err != nil {
		return fmt.Errorf("signing %s: %w", in, err)
	}
	return nil
}

// Export returns the public halves, armored.
func (k Keys) Export(ctx context.Context) ([]byte, error) {
	text, err := run(ctx, append([]string{"--armor", "--export-options", "export-minimal", "--export"}, k...)...)
	if err != nil {
		return nil, fmt.Errorf("exporting the public key: %w", err)
	}
	return text, nil
}

func run(ctx context.Context, args ...string) ([]byte, error) {
	return program.Output(ctx, "", "gpg", append([]string{"--batch", "--no-tty"}, args...)...)
}
