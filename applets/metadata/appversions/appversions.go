// Package appversions is the operator's file that tells clients of new versions of
// themselves: METADATA /shared/vendor/deltachat/appversions.
//
//	{"clients": [{"clientId": "deltachat", "sources": [{"sourceId": "gplay",
//	  "versionInteger": 754, "versionString": "2.57.0", "downloadUrl": "https://…"}]}]}
//
// The form is upstream's (chatmail/relay, #1037), what is allowed in it is what the core
// passes on to an app unchanged (chatmail/core, src/appversions.rs), and no more.
package appversions

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/url"
	"strings"
)

// Bounds.
const (
	// MaxSize is that of a file, in bytes. Each client reads it when it connects.
	MaxSize = 16 << 10

	maxID      = 64   // bytes
	maxVersion = 16   // bytes; the core cuts off what is longer
	maxURL     = 2048 // bytes
)

// Index is what a file says.
type Index struct {
	Clients []Client `json:"clients"`
}

// A Client is a program, such as deltachat.
type Client struct {
	ID      string   `json:"clientId"`
	Sources []Source `json:"sources"`
}

// A Source is where people have a client from, such as gplay, and its newest version.
type Source struct {
	ID             string `json:"sourceId"`
	VersionInteger uint32 `json:"versionInteger"` // the core compares this one
	VersionString  string `json:"versionString"`  // people see this one
	DownloadURL    string `json:"downloadUrl"`
}

// Parse reads the text of a file. The error shows what is wrong in it, and where.
func Parse(text []byte) (Index, error) {
	if len(text) > MaxSize {
		return Index{}, fmt.Errorf("it has more than %d bytes", MaxSize)
	}
	d := json.NewDecoder(bytes.NewReader(text))
	d.DisallowUnknownFields()
	var index Index
	err := d.Decode(&index)
	if err == nil {
		if _, more := d.Token(); more != io.EOF {
			err = errors.New("something follows the JSON object")
		}
	}
	if err != nil {
		return Index{}, explain(text, err)
	}
	return index, index.check()
}

// explain says of an error of the library where it is, if that is known, and what, in
// other words than Go's.
func explain(text []byte, err error) error {
	line := func(offset int64) int { return 1 + bytes.Count(text[:min(offset, int64(len(text)))], []byte("\n")) }
	var syntax *json.SyntaxError
	var kind *json.UnmarshalTypeError
	switch {
	case errors.As(err, &syntax):
		return fmt.Errorf("line %d: %w", line(syntax.Offset), err)
	case errors.As(err, &kind):
		return fmt.Errorf("line %d: %s: %s does not fit there", line(kind.Offset), cmp.Or(kind.Field, "the whole"), kind.Value)
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return errors.New("it ends too early")
	}
	return errors.New(strings.TrimPrefix(err.Error(), "json: "))
}

// check also refuses a second entry of a name: the core takes the first.
func (i Index) check() error {
	if len(i.Clients) == 0 {
		return errors.New("it has no clients")
	}
	clients := map[string]bool{}
	for _, c := range i.Clients {
		if err := checkID("clientId", c.ID, clients); err != nil {
			return err
		}
		if len(c.Sources) == 0 {
			return fmt.Errorf("%s: it has no sources", c.ID)
		}
		sources := map[string]bool{}
		for _, s := range c.Sources {
			err := checkID("sourceId", s.ID, sources)
			if err == nil {
				err = s.check()
			}
			if err != nil {
				return fmt.Errorf("%s: %w", c.ID, err)
			}
		}
	}
	return nil
}

func checkID(key, id string, seen map[string]bool) error {
	if id == "" || len(id) > maxID || strings.Trim(id, lower+"ABCDEFGHIJKLMNOPQRSTUVWXYZ_-.") != "" {
		return fmt.Errorf("%s: %.80q: want up to %d letters, digits, and . _ -", key, id, maxID)
	}
	if seen[id] {
		return fmt.Errorf("%s: %q is there twice", key, id)
	}
	seen[id] = true
	return nil
}

const lower = "abcdefghijklmnopqrstuvwxyz0123456789"

func (s Source) check() error {
	if s.VersionInteger == 0 {
		return fmt.Errorf("%s: versionInteger: want a number from 1 to 4294967295", s.ID)
	}
	if v := s.VersionString; v == "" || len(v) > maxVersion || strings.Trim(v, lower+".-") != "" {
		return fmt.Errorf("%s: versionString: %.80q: want up to %d lower-case letters, digits, and . -", s.ID, v, maxVersion)
	}
	u, err := url.Parse(s.DownloadURL)
	if err != nil || u.Scheme != "https" || u.Host == "" || u.User != nil || len(s.DownloadURL) > maxURL || strings.ContainsFunc(s.DownloadURL, notGraphic) {
		return fmt.Errorf("%s: downloadUrl: %.80q: want an https URL of up to %d bytes", s.ID, s.DownloadURL, maxURL)
	}
	return nil
}

// notGraphic reports whether c cannot stand in a URL (RFC 3986 §2).
func notGraphic(c rune) bool { return c <= ' ' || c > '~' }

// Value is the METADATA entry: one line of JSON.
func (i Index) Value() string {
	text, err := json.Marshal(i)
	if err != nil {
		panic(err) // strings and numbers always have a JSON form
	}
	return string(text)
}

// shown is how many versions String names.
const shown = 5

// String is what the file says in short: "deltachat gplay 2.57.0, …".
func (i Index) String() string {
	var versions []string
	for _, c := range i.Clients {
		for _, s := range c.Sources {
			versions = append(versions, c.ID+" "+s.ID+" "+s.VersionString)
		}
	}
	if more := len(versions) - shown; more > 0 {
		versions = append(versions[:shown], fmt.Sprintf("and %d more", more))
	}
	return strings.Join(versions, ", ")
}
