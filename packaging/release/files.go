package main

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"chatmaild/packaging/gpg"
)

// write makes the directory of the release again, whole.
func (r *release) write(ctx context.Context, tree checkout, out string, keys gpg.Keys, started time.Time) error {
	if err := errors.Join(os.RemoveAll(out), os.MkdirAll(out, 0o755)); err != nil {
		return err
	}
	var packages []built
	var sums strings.Builder
	add := func(name string, content []byte) error {
		sum := sha256.Sum256(content)
		fmt.Fprintf(&sums, "%s  %s\n", hex.EncodeToString(sum[:]), name)
		return os.WriteFile(filepath.Join(out, name), content, 0o644)
	}
	for _, architecture := range architectures {
		name := fmt.Sprintf("chatmaild_%s_%s.deb", r.version, architecture)
		p, content, err := examine(ctx, tree, name, r.version, architecture)
		if err != nil {
			return err
		}
		packages = append(packages, p)
		if err := add(name, content); err != nil {
			return err
		}
	}
	provenance, err := r.provenance(packages, started, time.Now())
	if err != nil {
		return err
	}
	public, err := keys.Export(ctx)
	if err != nil {
		return err
	}
	sumsFile := filepath.Join(out, "SHA256SUMS")
	if err := errors.Join(add("provenance.json", provenance), add("NOTES", r.notes()),
		os.WriteFile(sumsFile, []byte(sums.String()), 0o644),
		os.WriteFile(filepath.Join(out, "chatmaild.asc"), public, 0o644)); err != nil {
		return err
	}
	return keys.Detach(ctx, sumsFile, sumsFile+".asc")
}

// notes are for operators: what they must know comes first.
func (r *release) notes() []byte {
	news := r.news
	if news == "" {
		news = "  Nothing that needs action."
	}
	return fmt.Appendf(nil, "chatmaild %s\n\nWhat changes on your machine\n\n%s\n\nAll changes\n\n%s\n", r.version, news, r.changes)
}
