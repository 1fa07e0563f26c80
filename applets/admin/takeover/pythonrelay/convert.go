package pythonrelay

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"chatmaild/applets/config"
)

// Fate is what becomes of a key of chatmail.ini.
type Fate int

// The fates, from the best to the worst.
const (
	Taken   Fate = iota // the same in chatmail.toml
	Left                // chatmaild has nothing of the kind, or does it otherwise
	Refused             // chatmaild does not take the value; its default holds
	Unknown             // the Python relay does not know it either
)

// String is the fate in one word.
func (f Fate) String() string {
	return [...]string{"taken", "left", "refused", "unknown"}[f]
}

// Setting is a key of chatmail.ini and what becomes of it.
type Setting struct {
	Param
	Fate Fate
	Key  string // of chatmail.toml, if Taken; it can have another name there
	TOML string // the value there
	Why  string // for each other fate
}

// Conversion is a chatmail.ini as a chatmail.toml.
type Conversion struct {
	Settings []Setting
	Config   *config.Config
	Text     string // of chatmail.toml
}

// Paths are where the takeover puts what chatmail.ini does not name.
type Paths struct {
	WWWFolder string // the pages of the operator's own; "" if there are none
}

// Convert makes a chatmail.toml of a chatmail.ini. Template is the commented
// configuration of the package. A value that chatmaild refuses is left out and
// told, but for the domain and the mailboxes: without these it is another relay.
func Convert(params []Param, template string, paths Paths) (*Conversion, error) {
	c := &Conversion{}
	for _, p := range params {
		c.Settings = append(c.Settings, translate(p))
	}
	i := slices.IndexFunc(c.Settings, func(s Setting) bool { return s.Key == "mail_domain" })
	if i < 0 {
		return nil, errors.New("mail_domain is missing")
	}
	domain := c.Settings[i].Value
	if err := config.CheckDomain(domain); err != nil {
		return nil, fmt.Errorf("line %d: mail_domain: %w", c.Settings[i].Line, err)
	}
	for i := range c.Settings {
		switch s := &c.Settings[i]; {
		case s.Param.Key != "iroh_relay":
		case s.Value == "":
			s.Fate, s.Key, s.TOML = Taken, "iroh", quote("off")
		case config.LeadsTo(s.Value, domain):
			s.Fate, s.Key, s.TOML, s.Why = Left, "", "", "it names this relay itself, which is announced without it"
		}
	}
	for _, s := range c.Settings {
		if s.Fate == Refused && s.Param.Key == "mailboxes_dir" {
			return nil, fmt.Errorf("line %d: mailboxes_dir: %s", s.Line, s.Why)
		}
	}
	for range c.Settings {
		c.Text = render(template, domain, c.Settings, paths)
		var err error
		c.Config, err = config.Parse("chatmail.toml", c.Text)
		var bad *config.Error
		if err == nil {
			return c, nil
		}
		if !errors.As(err, &bad) || !c.refuse(bad) {
			return nil, err
		}
	}
	return nil, errors.New("its values contradict each other")
}

// refuse takes back the setting that an error of the configuration is about.
func (c *Conversion) refuse(bad *config.Error) bool {
	for i := range c.Settings {
		s := &c.Settings[i]
		if s.Fate != Taken || s.Key != bad.Key || s.Key == "mail_domain" || s.Key == "mailboxes_dir" {
			continue
		}
		s.Fate, s.Why = Refused, bad.Text
		return true
	}
	return false
}

// translate looks a parameter up.
func translate(p Param) Setting {
	s := Setting{Param: p}
	k, known := iniKeys[p.Key]
	if !known {
		s.Fate, s.Why = Unknown, "not a key of the Python relay: a typing error, or obsolete"
		return s
	}
	if k.value == nil {
		s.Fate, s.Why = Left, k.why
		return s
	}
	value, err := k.value(p.Value)
	switch {
	case err != nil:
		s.Fate, s.Why = Refused, err.Error()
	case value == "":
		s.Fate, s.Why = Left, "it is empty"
	default:
		s.Key, s.TOML = p.Key, value
		if k.name != "" {
			s.Key = k.name
		}
	}
	return s
}

// render writes chatmail.toml: the template with what is taken in its place, and at
// the end, as comments, what is not.
func render(template, domain string, settings []Setting, paths Paths) string {
	text := strings.ReplaceAll(template, "DOMAIN", domain)
	set := func(key, value string) {
		lines := strings.Split(text, "\n")
		i := slices.IndexFunc(lines, func(line string) bool {
			return strings.HasPrefix(strings.TrimPrefix(line, "#"), key+" = ")
		})
		if i < 0 {
			text += fmt.Sprintf("\n%s = %s\n", key, value)
			return
		}
		// A value that is the default stays a comment.
		if line := key + " = " + value; lines[i] != "#"+line {
			lines[i] = line
		}
		text = strings.Join(lines, "\n")
	}
	var rest []string
	for _, s := range settings {
		if s.Fate == Taken {
			set(s.Key, s.TOML)
			continue
		}
		rest = append(rest, fmt.Sprintf("# %s = %s\n#   %v: %s\n", plain(s.Param.Key), plain(s.Value), s.Fate, plain(s.Why)))
	}
	if paths.WWWFolder != "" {
		set("www_folder", quote(paths.WWWFolder))
	}
	if len(rest) > 0 {
		text += "\n## What else the Python relay's chatmail.ini had\n\n" + strings.Join(rest, "")
	}
	return text
}

// plain makes one line of a text that stands in a comment.
func plain(s string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f {
			return ' '
		}
		return r
	}, strings.ToValidUTF8(s, "\uFFFD"))
}
