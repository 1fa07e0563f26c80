package archive

import (
	"archive/tar"
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"hash"
	"io"
	"io/fs"
	"time"
)

// A Piece makes the bytes of one piece. Pieces may be made at the same time; their
// bytes are put behind each other by a Writer.
type Piece struct {
	name  string
	tar   *tar.Writer
	hash  hash.Hash
	files int64
	size  int64
	begun bool
}

// NewPiece begins the piece called name. Its bytes go to w. The first piece of an
// archive begins with the head.
func NewPiece(w io.Writer, name string, head *Head) (*Piece, error) {
	if err := CheckName(name); err != nil {
		return nil, err
	}
	p := &Piece{name: name, hash: sha256.New()}
	p.tar = tar.NewWriter(io.MultiWriter(w, p.hash))
	if head == nil {
		return p, nil
	}
	return p, p.record(headName, head)
}

// Add adds a directory, or a file with its content. The first entry is the piece itself.
func (p *Piece) Add(e Entry, content []byte) error {
	e.Size = int64(len(content))
	return p.Stream(e, bytes.NewReader(content))
}

// Stream adds a file with e.Size bytes of r. If r ends too early zero bytes take the
// place of what is missing, and short is true: a tar cannot go back.
func (p *Piece) stream(e Entry, r io.Reader) (short bool, err error) {
	if err := p.header(e); err != nil {
		return false, err
	}
	n, err := io.Copy(p.tar, io.LimitReader(r, e.Size))
	if err != nil {
		return false, fmt.Errorf("archiving %s: %w", e.Name, err)
	}
	if n < e.Size {
		short = true
		if _, err := io.CopyN(p.tar, zeros{}, e.Size-n); err != nil {
			return short, fmt.Errorf("archiving %s: %w", e.Name, err)
		}
	}
	p.size += e.Size
	if !e.Dir {
		p.files++
	}
	return short, nil
}

// Stream adds a file with e.Size bytes of r. A tar cannot go back: if r ends too early
// zero bytes take the place of what is missing, and ErrShort is returned; the piece
// can continue.
func (p *Piece) Stream(e Entry, r io.Reader) error {
	short, err := p.stream(e, r)
	if err == nil && short {
		return fmt.Errorf("archiving %s: %w", e.Name, ErrShort)
	}
	return err
}

// ErrShort says that a file became shorter while it was being read.
var ErrShort = fmt.Errorf("the file became shorter: %w", io.ErrUnexpectedEOF)

// Gone says which names within the piece, relative to it, are there no more; "." is all
// of it.
func (p *Piece) Gone(names []string) error {
	var text []byte
	flush := func() error {
		defer func() { text = text[:0] }()
		return p.plain(goneName, text)
	}
	for _, name := range names {
		if len(text)+len(name)+1 > maxGone {
			if err := flush(); err != nil {
				return err
			}
		}
		text = append(append(text, name...), 0)
	}
	if len(text) == 0 {
		return nil
	}
	return flush()
}

// Close closes the piece with its sum. With void it is not to be used.
func (p *Piece) Close(void bool) (Sum, error) {
	if err := p.tar.Flush(); err != nil {
		return Sum{}, fmt.Errorf("closing %s: %w", p.name, err)
	}
	sum := Sum{Piece: p.name, Files: p.files, Bytes: p.size, SHA256: hex.EncodeToString(p.hash.Sum(nil)), Void: void}
	return sum, p.record(sumName, sum)
}

func (p *Piece) header(e Entry) error {
	if err := CheckName(e.Name); err != nil {
		return err
	}
	if !within(e.Name, p.name) || !p.begun && e.Name != p.name {
		return fmt.Errorf("archiving %s: it is not in %s", e.Name, p.name)
	}
	p.begun = true
	h := &tar.Header{
		Typeflag: tar.TypeReg, Name: e.Name, Size: e.Size, Mode: tarMode(e.Mode),
		Uname: e.Owner, Gname: e.Group, ModTime: time.Unix(e.Time.Unix(), 0),
	}
	if e.Dir {
		h.Typeflag, h.Name, h.Size = tar.TypeDir, e.Name+"/", 0
	}
	if err := p.tar.WriteHeader(h); err != nil {
		return fmt.Errorf("archiving %s: %w", e.Name, err)
	}
	return nil
}

func (p *Piece) record(name string, value any) error {
	text, err := json.Marshal(value)
	if err != nil {
		return err
	}
	return p.plain(name, text)
}

// plain writes an entry of the format's own. Its header is one block: the reader counts
// on that.
func (p *Piece) plain(name string, text []byte) error {
	return writePlain(p.tar, name, text)
}

func writePlain(w *tar.Writer, name string, text []byte) error {
	h := &tar.Header{Typeflag: tar.TypeReg, Name: name, Size: int64(len(text)), Mode: 0o600, Format: tar.FormatUSTAR}
	if err := w.WriteHeader(h); err != nil {
		return fmt.Errorf("archiving %s: %w", name, err)
	}
	if _, err := w.Write(text); err != nil {
		return fmt.Errorf("archiving %s: %w", name, err)
	}
	return w.Flush()
}

// The bits of a mode beyond permissions, as tar has them.
const (
	setgid = 0o2000
	sticky = 0o1000
)

func tarMode(m fs.FileMode) int64 {
	mode := int64(m.Perm())
	if m&fs.ModeSetgid != 0 {
		mode |= setgid
	}
	if m&fs.ModeSticky != 0 {
		mode |= sticky
	}
	return mode
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) {
	clear(p)
	return len(p), nil
}
