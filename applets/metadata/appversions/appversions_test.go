package appversions

import (
	"bytes"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"
)

// file is a file with one source, of this version.
func file(integer, version string) string {
	return fmt.Sprintf(`{
  "clients": [{"clientId": "deltachat", "sources": [
    {"sourceId": "gplay", "versionInteger": %s, "versionString": %q, "downloadUrl": "https://apps.example/a?b=1&c=2"}
  ]}]
}
`, integer, version)
}

func TestParse(t *testing.T) {
	good := file("754", "2.57.0")
	index, err := Parse([]byte(good))
	if err != nil {
		t.Fatal(err)
	}
	const value = `{"clients":[{"clientId":"deltachat","sources":[{"sourceId":"gplay","versionInteger":754,"versionString":"2.57.0","downloadUrl":"https://apps.example/a?b=1\u0026c=2"}]}]}`
	if got := index.Value(); got != value {
		t.Errorf("got %s, want %s", got, value)
	}
	if got := index.String(); got != "deltachat gplay 2.57.0" {
		t.Errorf("got %s", got)
	}
	index.Clients[0].Sources = slices.Repeat(index.Clients[0].Sources, 7)
	if got := index.String(); strings.Count(got, "gplay") != 5 || !strings.HasSuffix(got, ", and 2 more") {
		t.Errorf("got %s", got)
	}
	for _, text := range []string{file("4294967295", "2.57.0-rc1"), strings.Replace(good, "gplay", "F-Droid_2.x", 1)} {
		if _, err := Parse([]byte(text)); err != nil {
			t.Errorf("%s: %v", text, err)
		}
	}
	change := func(old, new string) string { return strings.Replace(good, old, new, 1) }
	for text, want := range map[string]string{
		"":                                       "it ends too early",
		"{":                                      "it ends too early",
		"{}":                                     "no clients",
		"[]":                                     "line 1: the whole: array does not fit",
		"{\n\"clients\": [],\n}":                 "line 3: invalid character",
		`{"clients": []}`:                        "no clients",
		good + "{}":                              "something follows",
		good + strings.Repeat(" ", 20000):        "more than 16384 bytes",
		change(`"sourceId"`, `"sourceID_"`):      `unknown field "sourceID_"`,
		change("deltachat", ""):                  "clientId: \"\"",
		change("deltachat", "delta chat"):        "clientId: \"delta chat\"",
		change("gplay", "\u00fc"):                "deltachat: sourceId",
		change("gplay", strings.Repeat("g", 65)): "deltachat: sourceId",
		file("0", "1"):                           "deltachat: gplay: versionInteger",
		file("4294967296", "1"):                  "line 3: clients.sources.versionInteger: number 4294967296 does not fit",
		file("-1", "1"):                          "line 3: clients.sources.versionInteger: number -1",
		file("1.5", "1"):                         "line 3: clients.sources.versionInteger: number 1.5",
		file(`"1"`, "1"):                         "line 3: clients.sources.versionInteger: string",
		file("1", ""):                            "gplay: versionString",
		file("1", "2.57.0 beta"):                 "gplay: versionString",
		file("1", "2.57.0B"):                     "gplay: versionString",
		file("1", "1.2.3.4.5.6.7.8.9"):           "gplay: versionString",
		change("https:", "http:"):                "gplay: downloadUrl",
		change("https://apps.example/", "https:///"):                         "gplay: downloadUrl",
		change("https://", "https://me:secret@"):                             "gplay: downloadUrl",
		change("apps.example/a", "apps.example/a b"):                         "gplay: downloadUrl",
		change("apps.example/a", "apps.example/"+strings.Repeat("a", 2048)):  "gplay: downloadUrl",
		`{"clients": [{"clientId": "a", "sources": []}]}`:                    "a: it has no sources",
		strings.Replace(good, "  ]}]", ` ]}, {"clientId": "deltachat"}]`, 1): `"deltachat" is there twice`,
		strings.Replace(good, "\n  ]}]", `, {"sourceId": "gplay"}]}]`, 1):    `"gplay" is there twice`,
	} {
		if _, err := Parse([]byte(text)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%.200s: got %v, want %q", text, err, want)
		}
	}
}

// FuzzParse: what is taken is taken again in the form in which it is announced, and is
// one line of bounded length.
func FuzzParse(f *testing.F) {
	f.Add([]byte(file("754", "2.57.0")))
	f.Add([]byte(`{"clients":[{"clientId":"a","sources":[{"sourceId":"b","versionInteger":1}]}]}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		index, err := Parse(text)
		if err != nil {
			return
		}
		value := index.Value()
		if strings.ContainsAny(value, "\r\n\x00") || len(value) > 6*MaxSize {
			t.Fatalf("announced as %q", value)
		}
		if len(value) > MaxSize {
			return // of "&", which take six bytes
		}
		again, err := Parse([]byte(value))
		if err != nil || again.Value() != value {
			t.Fatalf("%s: %v", value, err)
		}
	})
}

// TestFollow: a change counts at once, and a broken one does not.
func TestFollow(t *testing.T) {
	var log bytes.Buffer
	path := filepath.Join(t.TempDir(), "appversions.json")
	at := time.Now()
	write := func(text string) {
		t.Helper()
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		at = at.Add(time.Second) // so that a coarse clock does not hide the change
		if err := os.Chtimes(path, at, at); err != nil {
			t.Fatal(err)
		}
	}
	f := Follow(path, slog.New(slog.NewTextHandler(&log, nil)))
	says := func(what, version string, errors int) {
		t.Helper()
		for range 2 {
			if got := f.Value(); (got == "") != (version == "") || !strings.Contains(got, `"versionString":"`+version) && version != "" {
				t.Errorf("%s: got %q, want version %q", what, got, version)
			}
		}
		if got := strings.Count(log.String(), "level=ERROR"); got != errors {
			t.Errorf("%s: %d errors in the log, want %d:\n%s", what, got, errors, log.String())
		}
	}
	says("no file", "", 1)
	write(file("1", "1.0"))
	says("a file", "1.0", 1)
	write(file("2", "2.0"))
	says("another", "2.0", 1)
	write("{")
	says("a broken one", "2.0", 2)
	write(file("3", "3.0"))
	says("a good one", "3.0", 2)
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	says("none", "3.0", 3)
	if err := syscall.Mkfifo(path, 0o644); err != nil {
		t.Fatal(err)
	}
	says("a FIFO", "3.0", 4)
}

// TestCheck: what the metadata daemon could not read is not fine.
func TestCheck(t *testing.T) {
	root := t.TempDir()
	dir := filepath.Join(root, "etc")
	if err := os.Mkdir(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(root, 0o755); err != nil {
		t.Fatal(err)
	}
	const path = "/etc/appversions.json"
	if _, err := Check(root, path); err == nil {
		t.Error("a file that is not there is fine")
	}
	if err := os.WriteFile(root+path, []byte(file("1", "1.0")), 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := Check(root, path); err != nil {
		t.Error(err)
	}
	for at, mode := range map[string]os.FileMode{path: 0o640, "/etc": 0o750} {
		info, err := os.Stat(root + at)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(root+at, mode); err != nil {
			t.Fatal(err)
		}
		if _, err := Check(root, path); err == nil || !strings.HasPrefix(err.Error(), at+": ") {
			t.Errorf("%s with mode %o: got %v", at, mode, err)
		}
		if err := os.Chmod(root+at, info.Mode()); err != nil {
			t.Fatal(err)
		}
	}
}
