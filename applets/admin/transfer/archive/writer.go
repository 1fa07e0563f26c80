package archive

import (
	"archive/tar"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"io"
)

// A Writer puts pieces behind each other.
type Writer struct {
	w     io.Writer
	state State
}

// NewID returns an archive's random name.
func NewID() string { return rand.Text() }

// NewWriter begins an archive. Its head is in the first piece.
func NewWriter(w io.Writer, id string) *Writer { return &Writer{w, State{ID: id}} }

// Resume continues where an archive was interrupted: w is positioned after its last whole piece.
func Resume(w io.Writer, s State) *Writer { return &Writer{w, s} }

// Write adds bytes of the next piece.
func (w *Writer) Write(p []byte) (int, error) { return w.w.Write(p) }

// Sealed says that all bytes of a piece have been written, and returns how far the
// archive has come.
func (w *Writer) Sealed(sum Sum) State {
	w.state.add(sum)
	return w.state
}

// Close writes the end. It does not close the writer below.
func (w *Writer) Close() error {
	text, err := json.Marshal(w.state)
	if err != nil {
		return err
	}
	end := tar.NewWriter(w.w)
	if err := writePlain(end, endName, text); err != nil {
		return err
	}
	if err := end.Close(); err != nil {
		return fmt.Errorf("closing the archive: %w", err)
	}
	return nil
}
