package pythonrelay

import (
	"strings"
	"testing"
)

func TestParseINI(t *testing.T) {
	got, err := ParseINI("# a comment\n[params]\nmail_domain = chat.example.org\r\n; another\n" +
		"iroh_relay =\nprivacy_postal =\n   Example Street 1\n   # left out\n   Example Town\n" +
		"max_load_1m: 3\nwith = a = b: c # kept\n[other]\nmail_domain = x\n")
	if err != nil {
		t.Fatal(err)
	}
	want := []Param{
		{"mail_domain", "chat.example.org", 3},
		{"iroh_relay", "", 5},
		{"privacy_postal", "Example Street 1\nExample Town", 6},
		{"max_load_1m", "3", 10},
		{"with", "a = b: c # kept", 11},
	}
	if len(got) != len(want) {
		t.Fatalf("got %+v, want %+v", got, want)
	}
	for i := range want {
		if got[i] != want[i] {
			t.Errorf("got %+v, want %+v", got[i], want[i])
		}
	}
}

func TestParseINIErrors(t *testing.T) {
	for text, want := range map[string]string{
		"":                                    "there is no section [params]",
		"[other]\na = b\n":                    "there is no section [params]",
		"a = b\n":                             `line 1: "a" stands before any section`,
		"[params]\nword\n":                    `line 2: want "key = value"`,
		"[params]\na = 1\nb = 2\na = 3\n":     "line 4: a is there twice",
		"[params]\n[params]\n":                "line 2: [params] is there twice",
		"[params]\n more\n":                   "line 2: an indented line that continues nothing",
		"[params\n":                           `line 1: want "[section]"`,
		"[]\n":                                `line 1: want "[section]"`,
		strings.Repeat("#", MaxINISize+1):     "it has 1048577 bytes, more than the maximum of 1048576",
		"[params]\n" + strings.Repeat("x", 3): `line 2: want "key = value"`,
	} {
		if _, err := ParseINI(text); err == nil || err.Error() != want {
			t.Errorf("%.40q: got %v, want %s", text, err, want)
		}
	}
}

// FuzzConvert holds that whatever is in a chatmail.ini, the chatmail.toml made of it
// loads, and every key is accounted for.
func FuzzConvert(f *testing.F) {
	f.Add("mail_domain = chat.example.org\nmax_mailbox_size = 1G\n")
	f.Add("mail_domain = 192.0.2.1\nprivacy_postal =\n  a\n  \"b\\\" \n")
	f.Add("mail_domain = _x.y\nmailboxes_dir = /srv/mail\nodd\x01key = \x7f\n")
	f.Fuzz(func(t *testing.T, text string) {
		params, err := ParseINI("[params]\n" + text)
		if err != nil {
			return
		}
		c, err := Convert(params, template, Paths{})
		if err != nil {
			return
		}
		if len(c.Settings) != len(params) {
			t.Errorf("%d keys, and %d accounted for", len(params), len(c.Settings))
		}
		for _, s := range c.Settings {
			if (s.Fate == Taken) != (s.TOML != "") && s.Fate != Refused || s.Fate != Taken && s.Why == "" {
				t.Errorf("%+v: want a value or a reason", s)
			}
		}
	})
}
