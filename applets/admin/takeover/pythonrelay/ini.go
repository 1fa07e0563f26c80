package pythonrelay

import (
	"fmt"
	"strings"
)

// Bounds of a chatmail.ini.
const (
	MaxINISize = 1 << 20 // bytes
	maxParams  = 1000
)

// section is the one that the relay reads; it ignores others.
const section = "params"

// Param is one line of a chatmail.ini.
type Param struct {
	Key, Value string
	Line       int
}

// ParseINI returns the parameters in a chatmail.ini, in their order. It reads the
// file as the Python relay does, with iniconfig: comments have a line of their own,
// an indented line continues the value before, a key comes once.
func ParseINI(text string) ([]Param, error) {
	if len(text) > MaxINISize {
		return nil, fmt.Errorf("it has %d bytes, more than the maximum of %d", len(text), MaxINISize)
	}
	var p iniParser
	text = strings.NewReplacer("\r\n", "\n", "\r", "\n").Replace(text)
	for i, line := range strings.Split(text, "\n") {
		if err := p.line(line, i+1); err != nil {
			return nil, fmt.Errorf("line %d: %w", i+1, err)
		}
	}
	if !p.seen[section] {
		return nil, fmt.Errorf("there is no section [%s]", section)
	}
	return p.params, nil
}

// iniParser reads line by line, as configparser of Python does.
type iniParser struct {
	section string
	seen    map[string]bool // sections, and keys as section + "\x00" + key
	params  []Param
	open    bool // an indented line may follow
}

func (p *iniParser) line(line string, number int) error {
	trimmed := strings.TrimSpace(line)
	switch {
	case trimmed == "" || trimmed[0] == '#' || trimmed[0] == ';':
		return nil
	case line[0] == '[':
		return p.header(trimmed)
	case line[0] == ' ' || line[0] == '\t':
		return p.more(trimmed)
	}
	key, value, ok := strings.Cut(trimmed, "=")
	if !ok || strings.Contains(key, ":") {
		key, value, ok = strings.Cut(trimmed, ":")
	}
	if !ok {
		return fmt.Errorf("want \"key = value\"")
	}
	key, value = strings.TrimSpace(key), strings.TrimSpace(value)
	if p.section == "" {
		return fmt.Errorf("%q stands before any section", key)
	}
	if err := p.first(p.section+"\x00"+key, key); err != nil {
		return err
	}
	p.open = true
	if p.section != section {
		return nil
	}
	if len(p.params) >= maxParams {
		return fmt.Errorf("more than %d keys", maxParams)
	}
	p.params = append(p.params, Param{key, value, number})
	return nil
}

func (p *iniParser) header(line string) error {
	if i := strings.IndexAny(line, "#;"); i >= 0 {
		line = strings.TrimSpace(line[:i])
	}
	name, ok := strings.CutSuffix(strings.TrimPrefix(line, "["), "]")
	if !ok || name == "" {
		return fmt.Errorf("want \"[section]\"")
	}
	p.section, p.open = name, false
	return p.first(name, "["+name+"]")
}

// more continues the value of the line before.
func (p *iniParser) more(text string) error {
	switch {
	case !p.open:
		return fmt.Errorf("an indented line that continues nothing")
	case p.section != section:
		return nil
	}
	last := &p.params[len(p.params)-1]
	if last.Value != "" {
		text = last.Value + "\n" + text
	}
	last.Value = text
	return nil
}

func (p *iniParser) first(id, name string) error {
	if p.seen == nil {
		p.seen = map[string]bool{}
	}
	if p.seen[id] {
		return fmt.Errorf("%s is there twice", name)
	}
	p.seen[id] = true
	return nil
}
