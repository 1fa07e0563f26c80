package config

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"

	"github.com/BurntSushi/toml"
)

// Error shows what is wrong with a configuration file, and where.
type Error struct {
	Path string
	Line int    // 0: the file as a whole
	Key  string // "": the file as a whole
	Text string
	Err  error // fs.ErrNotExist if there is no file; else nil
}

func (e *Error) Error() string {
	at := e.Path
	if e.Line > 0 {
		at = fmt.Sprintf("%s:%d", e.Path, e.Line)
	}
	if e.Key != "" {
		at += ": " + e.Key
	}
	return at + ": " + e.Text
}

func (e *Error) Unwrap() error { return e.Err }

// Load reads and checks the file at path. Its error is an *Error.
func Load(path string) (*Config, error) {
	text, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, &Error{Path: path, Text: "there is no configuration; write one with: chatmaild init DOMAIN", Err: fs.ErrNotExist}
	}
	if err != nil {
		return nil, &Error{Path: path, Text: err.(*fs.PathError).Err.Error()}
	}
	return Parse(path, string(text))
}

// Parse checks the text of a configuration file; path is for its errors.
func Parse(path, text string) (*Config, error) {
	c := Defaults()
	fail := func(key, format string, args ...any) (*Config, error) {
		return nil, &Error{Path: path, Line: lineOf(text, key), Key: key, Text: fmt.Sprintf(format, args...)}
	}
	var values map[string]any
	meta, err := toml.Decode(text, &values)
	if err != nil {
		return nil, syntaxError(path, err)
	}
	if key, err := checkTypes(values, meta); err != nil {
		return fail(key, "%v", err)
	}
	if _, err := toml.Decode(text, c); err != nil {
		return nil, syntaxError(path, err)
	}
	if !meta.IsDefined("mail_domain") {
		return fail("mail_domain", "is missing; it is the one key that is required")
	}
	if c.MailboxesDir == "" && !meta.IsDefined("mailboxes_dir") {
		c.MailboxesDir = filepath.Join("/home/vmail/mail", c.MailDomain)
	}
	if !meta.IsDefined("max_network_registrations_per_day") {
		c.MaxNetworkRegistrationsPerDay = max(c.MaxNetworkRegistrationsPerDay, c.MaxNetworkRegistrationsPerHour)
	}
	if key, err := check(c); err != nil {
		return fail(key, "%v", err)
	}
	return c, nil
}

// syntaxError is the library's error as ours.
func syntaxError(path string, err error) *Error {
	var parse toml.ParseError
	if !errors.As(err, &parse) {
		return &Error{Path: path, Text: strings.TrimPrefix(err.Error(), "toml: ")}
	}
	text := parse.Message
	if text == "" {
		text = strings.TrimPrefix(parse.Error(), "toml: ")
	}
	text, _, _ = strings.Cut(text, "\n")
	return &Error{Path: path, Line: parse.Position.Line, Key: parse.LastKey, Text: text}
}

// lineOf returns the line on which key is set, or 0. Every key and every table is set
// once, so the first line that starts with the key, or that of its table, is the one.
func lineOf(text, key string) int {
	if key == "" {
		return 0
	}
	first, rest, _ := strings.Cut(key, ".")
	set := regexp.MustCompile(`^\s*(\[+\s*)?["']?` + regexp.QuoteMeta(first) + `["']?\s*[=.\]]`)
	lines := strings.Split(text, "\n")
	for i, line := range lines {
		if set.MatchString(line) {
			return i + 1 + lineOf(strings.Join(lines[i+1:], "\n"), rest)
		}
	}
	return 0
}
