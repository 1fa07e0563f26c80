package backup

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"chatmaild/applets/admin/transfer"
	"chatmaild/applets/admin/transfer/archive"
	"chatmaild/applets/command"
)

// verifyBackup reads a whole archive and checks every sum in it.
func verifyBackup(env *command.Env, name string, locks transfer.Locks) error {
	r, in, err := transfer.Open(env, name, locks)
	if in != nil {
		defer in.Close()
	}
	if err != nil {
		return err
	}
	head := r.Head()
	fmt.Fprintf(env.Stdout, "relay of %s, made %s by chatmaild %s\n", head.Domain, head.Made.UTC().Format("2006-01-02 15:04 UTC"), head.Version)
	p := transfer.NewProgress(env.Stderr, "verify", 0, archive.State{})
	p.Part = in.Part()
	var whole int64 // bytes up to the last whole piece
	for {
		item, err := r.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			p.Clear()
			return brokenOff(env, r.State(), in, whole, err)
		}
		if item.Sum != nil {
			// The sum's own padding is read with what comes next.
			whole = (in.N.Load() + archive.BlockSize - 1) / archive.BlockSize * archive.BlockSize
			p.Show(r.State())
		}
	}
	p.Clear()
	s := r.State()
	fmt.Fprintf(env.Stdout, "complete: %d pieces with %d files, %s\n", s.Pieces, s.Files, command.FormatSize(s.Bytes))
	return nil
}

// brokenOff says what is left of an archive, and how to continue with it.
func brokenOff(env *command.Env, s archive.State, in *transfer.Input, whole int64, err error) error {
	fmt.Fprintf(env.Stdout, "valid up to %d pieces with %d files, %s\n", s.Pieces, s.Files, command.FormatSize(s.Bytes))
	// Only what was cut off can be continued. What was changed has to be made again.
	if !errors.Is(err, archive.ErrCutOff) || in.Sealed || s.Pieces == 0 {
		return err
	}
	text, fault := json.Marshal(s)
	if fault != nil {
		return fault
	}
	return command.WithHint(err, "to resume: truncate --size=%d FILE; chatmaild backup --continue %s >>FILE",
		whole, base64.RawURLEncoding.EncodeToString(text))
}
