package archive

import (
	"archive/tar"
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"io/fs"
	"strings"
)

// BlockSize is that of tar: everything begins at a multiple of it. A header of the format's own entries is one block.
const BlockSize = 512

// maxHeld bounds the headers of one entry, those for its long names with them.
const maxHeld = 64 << 10

// An Item is what comes next in an archive: exactly one of its fields is set.
type Item struct {
	Entry *Entry   // its content comes by Read
	Gone  []string // relative to the piece; "." is all of it
	Sum   *Sum     // the piece is whole, and is what was written
}

// A Reader reads an archive and checks it.
type Reader struct {
	head        Head
	tar         *tar.Reader
	in          *meter
	piece       string // "" between two pieces
	files, size int64
	state       State
}

// NewReader reads the head of an archive.
func NewReader(r io.Reader) (*Reader, error) {
	in := &meter{r: r, hash: sha256.New()}
	rd := &Reader{tar: tar.NewReader(in), in: in}
	h, err := rd.next()
	if errors.Is(err, io.EOF) || errors.Is(err, ErrCutOff) || errors.Is(err, ErrDamaged) || err == nil && h.Name != headName {
		return nil, ErrForeign
	}
	if err != nil {
		return nil, err
	}
	if err := rd.record("head", h, &rd.head); err != nil {
		return nil, err
	}
	if rd.head.Format != Version {
		return nil, fmt.Errorf("%w (format %d; this version reads up to %d)", ErrNewer, rd.head.Format, Version)
	}
	rd.state.ID = rd.head.ID
	return rd, nil
}

// Head returns the archive's head.
func (r *Reader) Head() Head { return r.head }

// State returns how far the archive was read and found whole.
func (r *Reader) State() State { return r.state }

// Read reads the content of the entry that Next returned last.
func (r *Reader) Read(p []byte) (int, error) {
	n, err := r.tar.Read(p)
	return n, cutOff(err)
}

// Next returns what comes next, and io.EOF behind an end that fits to all that came.
func (r *Reader) Next() (Item, error) {
	if _, err := io.Copy(io.Discard, r.tar); err != nil {
		return Item{}, cutOff(err)
	}
	h, err := r.next()
	if errors.Is(err, io.EOF) {
		return Item{}, ErrCutOff
	}
	if err != nil {
		return Item{}, err
	}
	switch h.Name {
	case sumName:
		return r.sum(h)
	case goneName:
		return r.gone(h)
	case endName:
		return Item{}, r.end(h)
	}
	return r.entry(h)
}

// next reads a header. The bytes before a sum's header, and no more, are in its hash.
func (r *Reader) next() (*tar.Header, error) {
	r.in.hold()
	h, err := r.tar.Next()
	if err != nil {
		return nil, cutOff(err)
	}
	keep := len(r.in.held)
	if h.Name == sumName {
		keep = max(keep-BlockSize, 0)
	}
	r.in.release(keep)
	return h, nil
}

func (r *Reader) entry(h *tar.Header) (Item, error) {
	e, err := entryOf(h)
	if err != nil {
		return Item{}, err
	}
	if r.piece == "" {
		r.piece, r.files, r.size = e.Name, 0, 0
	}
	if !within(e.Name, r.piece) || strings.HasPrefix(e.Name, ".chatmaild/") {
		return Item{}, fmt.Errorf("%w: %q in %q", ErrDamaged, e.Name, r.piece)
	}
	r.size += e.Size
	if !e.Dir {
		r.files++
	}
	return Item{Entry: e}, nil
}

// entryOf accepts files and directories with clean names, and nothing else that tar
// knows.
func entryOf(h *tar.Header) (*Entry, error) {
	e := &Entry{
		Name: h.Name, Mode: fs.FileMode(h.Mode).Perm(), Owner: h.Uname, Group: h.Gname, Time: h.ModTime, Size: h.Size,
	}
	if h.Mode&setgid != 0 {
		e.Mode |= fs.ModeSetgid
	}
	if h.Mode&sticky != 0 {
		e.Mode |= fs.ModeSticky
	}
	switch h.Typeflag {
	case tar.TypeReg:
	case tar.TypeDir:
		e.Dir, e.Name = true, strings.TrimSuffix(h.Name, "/")
	default:
		return nil, fmt.Errorf("%w: %q is neither file nor directory", ErrDamaged, h.Name)
	}
	for key := range h.PAXRecords {
		if strings.HasPrefix(key, "GNU.sparse.") {
			return nil, fmt.Errorf("%w: %q has holes", ErrDamaged, h.Name)
		}
	}
	if e.Size < 0 || e.Dir && e.Size != 0 {
		return nil, fmt.Errorf("%w: %q has %d bytes", ErrDamaged, h.Name, h.Size)
	}
	return e, CheckName(e.Name)
}

func (r *Reader) gone(h *tar.Header) (Item, error) {
	if !r.head.Update || r.piece == "" || h.Size > maxGone {
		return Item{}, fmt.Errorf("%w: a list of deleted names where there can be none", ErrDamaged)
	}
	text, err := r.content(h)
	if err != nil {
		return Item{}, err
	}
	text, ok := bytes.CutSuffix(text, []byte{0})
	if !ok {
		return Item{}, fmt.Errorf("%w: the list of deleted names is cut off", ErrDamaged)
	}
	names := strings.Split(string(text), "\x00")
	for _, name := range names {
		if name == "." {
			continue
		}
		if err := CheckName(name); err != nil {
			return Item{}, err
		}
	}
	return Item{Gone: names}, nil
}

// sum compares what was read with what was written: only now a piece may take its place.
func (r *Reader) sum(h *tar.Header) (Item, error) {
	got := hex.EncodeToString(r.in.hash.Sum(nil))
	var sum Sum
	if err := r.record("sum", h, &sum); err != nil {
		return Item{}, err
	}
	if sum.Piece != r.piece || sum.SHA256 != got || sum.Files != r.files || sum.Bytes != r.size {
		return Item{}, fmt.Errorf("%w: %q is not what was written", ErrDamaged, r.piece)
	}
	r.piece = ""
	r.state.add(sum)
	// The padding behind the sum is read with the next header; it is not a part of
	// the next piece.
	r.in.restart(padding(h.Size))
	return Item{Sum: &sum}, nil
}

// end holds that no piece is missing, doubled or swapped.
func (r *Reader) end(h *tar.Header) error {
	var end State
	if err := r.record("end", h, &end); err != nil {
		return err
	}
	if r.piece != "" || end != r.state {
		return fmt.Errorf("%w: pieces are missing, or more than there should be", ErrDamaged)
	}
	if _, err := r.next(); !errors.Is(err, io.EOF) {
		return fmt.Errorf("%w: there is data after its end", ErrDamaged)
	}
	// Decryption shows only at the end that all was genuine.
	var behind [1]byte
	if n, err := io.ReadFull(r.in, behind[:]); n > 0 {
		return fmt.Errorf("%w: there is data after its end", ErrDamaged)
	} else if !errors.Is(err, io.EOF) {
		return err
	}
	return io.EOF
}

func (r *Reader) record(what string, h *tar.Header, into any) error {
	if h.Size > maxRecord {
		return fmt.Errorf("%w: its %s has %d bytes", ErrDamaged, what, h.Size)
	}
	text, err := r.content(h)
	if err != nil {
		return err
	}
	return decodeRecord(what, text, into)
}

// content reads an entry of the format's own, of a size that was checked.
func (r *Reader) content(h *tar.Header) ([]byte, error) {
	text := make([]byte, h.Size)
	if _, err := io.ReadFull(r.tar, text); err != nil {
		return nil, cutOff(err)
	}
	return text, nil
}

// cutOff tells the errors of a stream that ends apart from those of a damaged one.
func cutOff(err error) error {
	switch {
	case errors.Is(err, io.ErrUnexpectedEOF):
		return ErrCutOff
	case errors.Is(err, tar.ErrHeader):
		return fmt.Errorf("%w: %v", ErrDamaged, err)
	}
	return err
}

func padding(size int64) int { return int(-size & (BlockSize - 1)) }

// A meter hashes what is read through it. What is held back is hashed when it is
// released.
type meter struct {
	r       io.Reader
	hash    hash.Hash
	skip    int // bytes that are not hashed
	held    []byte
	holding bool
}

func (m *meter) Read(p []byte) (int, error) {
	n, err := m.r.Read(p)
	got := p[:n]
	skip := min(m.skip, n)
	m.skip -= skip
	if got = got[skip:]; m.holding {
		if len(m.held)+len(got) > maxHeld {
			return 0, fmt.Errorf("%w: a header is too large", ErrDamaged)
		}
		m.held = append(m.held, got...)
	} else {
		m.hash.Write(got)
	}
	return n, err
}

func (m *meter) hold() { m.holding, m.held = true, m.held[:0] }

// release hashes the first n of the bytes that were held back.
func (m *meter) release(n int) {
	m.hash.Write(m.held[:n])
	m.holding, m.held = false, m.held[:0]
}

func (m *meter) restart(skip int) {
	m.hash.Reset()
	m.skip = skip
}
