package config

import (
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
)

// files returns the texts of testdata/config/DIRECTORY by their names.
func files(t testing.TB, directory string) map[string]string {
	t.Helper()
	paths, err := filepath.Glob(filepath.Join("..", "..", "testdata", "config", directory, "*.toml"))
	if err != nil || len(paths) == 0 {
		t.Fatalf("no files in testdata/config/%s: %v", directory, err)
	}
	texts := make(map[string]string)
	for _, path := range paths {
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		texts[filepath.Base(path)] = string(text)
	}
	return texts
}

// TestBad wants of every bad file exactly the error that its first line tells.
func TestBad(t *testing.T) {
	for name, text := range files(t, "bad") {
		first, _, _ := strings.Cut(text, "\n")
		want := strings.TrimPrefix(first, "# want: ")
		c, err := Parse(name, text)
		if err == nil {
			t.Errorf("%s: got %+v, want the error %s", name, c, want)
			continue
		}
		if got := err.Error(); got != name+":"+want && got != name+": "+want {
			t.Errorf("%s:\n got %s\nwant %s", name, got, want)
		}
		if _, ok := err.(*Error); !ok {
			t.Errorf("%s: the error is a %T, want *Error", name, err)
		}
	}
}

func TestGood(t *testing.T) {
	for name, text := range files(t, "good") {
		if _, err := Parse(name, text); err != nil {
			t.Error(err)
		}
	}
}

// TestEveryKey wants in everything.toml a value for each key that differs from
// the default, so that no key is read into the wrong field or not at all.
func TestEveryKey(t *testing.T) {
	got, err := Parse("everything.toml", files(t, "good")["everything.toml"])
	if err != nil {
		t.Fatal(err)
	}
	value, defaults := reflect.ValueOf(*got), reflect.ValueOf(*Defaults())
	for i := range value.NumField() {
		field := value.Type().Field(i)
		if reflect.DeepEqual(value.Field(i).Interface(), defaults.Field(i).Interface()) {
			t.Errorf("%s: got the default %v", field.Tag.Get("toml"), value.Field(i))
		}
	}
}

func TestDefaults(t *testing.T) {
	got, err := Parse("minimal.toml", files(t, "good")["minimal.toml"])
	if err != nil {
		t.Fatal(err)
	}
	want := Defaults()
	want.MailDomain = "chat.example.org"
	want.MailboxesDir = "/home/vmail/mail/chat.example.org"
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got  %+v\nwant %+v", got, want)
	}
}

func TestLoad(t *testing.T) {
	directory := t.TempDir()
	path := filepath.Join(directory, "chatmail.toml")
	if err := os.WriteFile(path, []byte("mail_domain = \"a.example\"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if c, err := Load(path); err != nil || c.MailDomain != "a.example" {
		t.Errorf("got %v, %v", c, err)
	}
	for path, want := range map[string]string{
		path + ".absent": path + ".absent: there is no configuration; write one with: chatmaild init DOMAIN",
		directory:        directory + ": is a directory",
	} {
		if _, err := Load(path); err == nil || err.Error() != want {
			t.Errorf("got %v, want %s", err, want)
		}
	}
}

func TestDomains(t *testing.T) {
	for _, test := range []struct {
		domain, address, directory string
		selfSigned, acme           bool
	}{
		{"chat.example.org", "chat.example.org", "", false, true},
		{"_chat.example.org", "_chat.example.org", "", true, false},
		{"_chat.example.org", "_chat.example.org", "https://ca.test/dir", true, false},
		{"192.0.2.1", "[192.0.2.1]", "", true, true},
		{"10.0.0.1", "[10.0.0.1]", "", true, false},
		{"100.64.0.1", "[100.64.0.1]", "", true, false},
		{"10.0.0.1", "[10.0.0.1]", "https://ca.test/dir", true, true},
		{"2001:db8::5", "[ipv6:2001:db8::5]", "", true, true},
		{"fd00::5", "[ipv6:fd00::5]", "", true, false},
	} {
		c := Config{MailDomain: test.domain, ACMEDirectory: test.directory}
		if got := c.ACME(); got != test.acme {
			t.Errorf("ACME of %s: got %v, want %v", test.domain, got, test.acme)
		}
		if got := c.AddressDomain(); got != test.address {
			t.Errorf("AddressDomain of %s: got %s, want %s", test.domain, got, test.address)
		}
		if got := c.SelfSigned(); got != test.selfSigned {
			t.Errorf("SelfSigned of %s: got %v, want %v", test.domain, got, test.selfSigned)
		}
	}
}

// TestHostname has a relay that is a guest of its domain, and others that are not.
func TestHostname(t *testing.T) {
	for _, test := range []struct {
		conf  Config
		host  string
		hello string
		names string
	}{
		{Config{MailDomain: "chat.example.org"}, "chat.example.org", "chat.example.org", "chat.example.org www.chat.example.org mta-sts.chat.example.org"},
		{Config{MailDomain: "example.org", Hostname: "chat.example.org"}, "chat.example.org", "chat.example.org", "chat.example.org autoconfig.example.org mta-sts.example.org"},
		{Config{MailDomain: "example.org", Hostname: "example.org"}, "example.org", "example.org", "example.org www.example.org mta-sts.example.org"},
		{Config{MailDomain: "192.0.2.7"}, "192.0.2.7", "7.2.0.192.in-addr.arpa", "192.0.2.7"},
		{
			Config{MailDomain: "2001:db8::57"}, "2001:db8::57",
			"7.5.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.ip6.arpa", "2001:db8::57",
		},
	} {
		names := strings.Join(test.conf.CertificateNames(), " ")
		if host, hello := Host(&test.conf), Hostname(&test.conf); host != test.host || hello != test.hello || names != test.names {
			t.Errorf("%s: got %s, %s, %s", test.conf.MailDomain, host, hello, names)
		}
	}
}

func TestExternalTLS(t *testing.T) {
	c := Config{TLSExternalCertAndKey: "/a/cert  /a/key"}
	if cert, key, ok := c.ExternalTLS(); cert != "/a/cert" || key != "/a/key" || !ok {
		t.Errorf("got %q, %q, %v", cert, key, ok)
	}
	if _, _, ok := Defaults().ExternalTLS(); ok {
		t.Error("there is an external certificate by default")
	}
}

func TestPaths(t *testing.T) {
	c := Config{RuntimeDir: "/r", StateDir: "/s"}
	if got, want := c.Socket("auth-login"), "/r/auth-login.socket"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	if got, want := c.MetadataDB(), "/s/metadata/metadata.db"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

func TestSize(t *testing.T) {
	for _, test := range []struct {
		text string
		size Size
		back string
	}{
		{"0", 0, "0"}, {"1", 1, "1"}, {"1K", 1 << 10, "1K"}, {"500M", 500 << 20, "500M"},
		{"1024M", 1 << 30, "1G"}, {"1536M", 1536 << 20, "1536M"}, {"3T", 3 << 40, "3T"}, {"1025", 1025, "1025"},
	} {
		got, err := parseSize(test.text)
		if err != nil || got != test.size {
			t.Errorf("parseSize(%q): got %d, %v, want %d", test.text, got, err, test.size)
		}
		if back := got.String(); back != test.back {
			t.Errorf("String of %q: got %s, want %s", test.text, back, test.back)
		}
	}
	for _, text := range []string{"", "K", "1k", "1 K", "1MB", "0x10", "1.5G", "+", "9223372036854775807K"} {
		if got, err := parseSize(text); err == nil {
			t.Errorf("parseSize(%q): got %d, want an error", text, got)
		}
	}
	for size, want := range map[Size]int64{0: 1, 1 << 10: 1, 1 << 20: 1, 5<<20 + 1: 5} {
		if got := size.Megabytes(); got != want {
			t.Errorf("Megabytes of %d: got %d, want %d", size, got, want)
		}
	}
}

// FuzzParse holds that whatever is accepted passes its own checks, and that every
// error names the file and fits on one line.
func FuzzParse(f *testing.F) {
	for _, directory := range []string{"good", "bad"} {
		for _, text := range files(f, directory) {
			f.Add(text)
		}
	}
	f.Fuzz(func(t *testing.T, text string) {
		c, err := Parse("f.toml", text)
		if err != nil {
			if got := err.Error(); !strings.HasPrefix(got, "f.toml:") || strings.ContainsAny(got, "\n\r") {
				t.Errorf("got %q, want one line that begins with the file's name", got)
			}
			return
		}
		if key, err := check(c); err != nil {
			t.Errorf("accepted with a bad %s: %v", key, err)
		}
		if _, err := Parse("size", "mail_domain = \"a.example\"\nmin_free_disk_space = \""+c.MinFreeDiskSpace.String()+"\"\n"); err != nil {
			t.Errorf("a size does not come back: %v", err)
		}
	})
}

// TestNetworkPerDay: who has raised the hour has raised the day, unless the file says
// otherwise.
func TestNetworkPerDay(t *testing.T) {
	const hour, dayKey = "max_network_registrations_per_hour", "max_network_registrations_per_day"
	for _, tt := range []struct {
		lines string
		want  int
	}{
		{"", 1500},
		{hour + " = 300", 1500},
		{hour + " = 100000", 100000},
		{hour + " = 100000\n" + dayKey + " = 7", 7},
	} {
		c, err := Parse("test.toml", "mail_domain = \"chat.example\"\n"+tt.lines)
		if err != nil {
			t.Fatal(err)
		}
		if got := c.MaxNetworkRegistrationsPerDay; got != tt.want {
			t.Errorf("%q: %d a day, want %d", tt.lines, got, tt.want)
		}
	}
}
