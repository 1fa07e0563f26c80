package archive

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"time"
)

// Version is the version of the format.
const Version = 1

// Names of the entries that belong to no piece.
const (
	headName = ".chatmaild/head"
	goneName = ".chatmaild/gone"
	sumName  = ".chatmaild/sum"
	endName  = ".chatmaild/end"
)

// Bounds.
const (
	maxRecord = 64 << 10 // of head, sum and end, in bytes
	maxGone   = 1 << 20  // of one entry of names that are gone, in bytes
	maxName   = 4096     // of a name, in bytes; PATH_MAX
)

// Why an archive cannot be read.
var (
	ErrDamaged = errors.New("the archive is damaged")
	ErrCutOff  = errors.New("the archive is truncated")
	ErrForeign = errors.New("this is not a chatmaild archive")
	ErrNewer   = errors.New("a newer chatmaild wrote the archive")
)

// Head says what the archive is.
type Head struct {
	Format  int       `json:"format"`
	ID      string    `json:"id"` // random, the same for all parts of an archive
	Domain  string    `json:"domain"`
	Version string    `json:"version"` // of the chatmaild that made it
	Made    time.Time `json:"made"`
	// Update says that pieces hold only what changed, and name what is gone.
	Update bool `json:"update,omitempty"`
}

// Entry is a file or a directory.
type Entry struct {
	Name         string // in the archive, with the piece's in front
	Dir          bool
	Mode         fs.FileMode // permissions, setgid and the sticky bit
	Owner, Group string
	Time         time.Time
	Size         int64 // bytes; 0 for a directory
}

// Sum closes a piece.
type Sum struct {
	Piece  string `json:"piece"`
	Files  int64  `json:"files"`
	Bytes  int64  `json:"octets"` // of the files' contents; the name is that of the first archives
	SHA256 string `json:"sha256"`
	// Void says that the piece went away while it was being read.
	Void bool `json:"void,omitempty"`
}

// State is how far an archive has come; it is also what the end says.
type State struct {
	ID     string `json:"id"`
	Last   string `json:"last,omitempty"` // the piece that was last
	Pieces int64  `json:"pieces"`
	Files  int64  `json:"files"`
	Bytes  int64  `json:"octets"`
	SHA256 string `json:"sha256"` // over the sums
}

// add counts a piece.
func (s *State) add(sum Sum) {
	s.Last = sum.Piece
	s.Pieces++
	s.Files += sum.Files
	s.Bytes += sum.Bytes
	digest := sha256.Sum256(fmt.Appendf(nil, "%s %v", s.SHA256, sum))
	s.SHA256 = hex.EncodeToString(digest[:])
}

// CheckName refuses a name that could lead out of the place that it is for.
func CheckName(name string) error {
	if name == "" || len(name) > maxName || strings.ContainsRune(name, 0) {
		return fmt.Errorf("%w: a name of %d bytes", ErrDamaged, len(name))
	}
	for element := range strings.SplitSeq(name, "/") {
		if element == "" || element == "." || element == ".." {
			return fmt.Errorf("%w: the name %q", ErrDamaged, name)
		}
	}
	return nil
}

// within reports whether name is piece, or something in it.
func within(name, piece string) bool {
	rest, ok := strings.CutPrefix(name, piece)
	return ok && (rest == "" || rest[0] == '/')
}

// decodeRecord refuses fields that it does not know: a newer archive may mean something
// else.
func decodeRecord(what string, text []byte, into any) error {
	d := json.NewDecoder(bytes.NewReader(text))
	d.DisallowUnknownFields()
	if err := d.Decode(into); err != nil {
		return fmt.Errorf("%w: its %s cannot be read: %v", ErrDamaged, what, err)
	}
	return nil
}
