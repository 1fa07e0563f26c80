package www

import (
	"errors"
	"fmt"
	"io/fs"
	"regexp"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/yuin/goldmark"
)

func dir(files map[string]string) fs.FS {
	m := fstest.MapFS{}
	for name, content := range files {
		m[name] = &fstest.MapFile{Data: []byte(content)}
	}
	return m
}

func TestOperatorsFiles(t *testing.T) {
	ours := render(t, example(), nil)
	out := render(t, example(), dir(map[string]string{
		"info.md":         "# Our *own* rules\n\nOn {{ config.mail_domain }}: {{ days config.delete_mails_after }}, {{ address_domain }}.\n",
		"help.md":         "# Help\n\n{{ button }}\n\n| a | b |\n|---|---|\n| 1 | 2 |\n",
		"img/cat.png":     "\x89PNG",
		"main.css":        "body { color: red }",
		".git/config":     "secret",
		".hidden.md":      "# Hidden",
		"info.md~":        "# Old",
		"img/.cat.md.swp": "x",
	}))
	want := map[string]string{
		"img/cat.png": "\x89PNG",
		"main.css":    "body { color: red }",
		"index.html":  ours["index.html"],
		"logo.svg":    ours["logo.svg"],
	}
	for name, content := range want {
		if out[name] != content {
			t.Errorf("%s: got %q, want %q", name, out[name], content)
		}
	}
	for _, part := range []string{
		"<title>Our own rules – chat.example.org</title>", "On chat.example.org: 20 days, chat.example.org.", "/main.css",
	} {
		if !strings.Contains(out["info.html"], part) {
			t.Errorf("info.html lacks %q:\n%s", part, out["info.html"])
		}
	}
	for _, part := range []string{`href="DCACCOUNT:https://chat.example.org/new"`, "<td>1</td>"} {
		if !strings.Contains(out["help.html"], part) {
			t.Errorf("help.html lacks %q:\n%s", part, out["help.html"])
		}
	}
	if got, want := len(out), len(ours)+2; got != want {
		t.Errorf("got %d files, want %d: ours, help.html and img/cat.png", got, want)
	}
}

// A page that is HTML already takes the place of our Markdown, not of the operator's.
func TestOperatorsHTML(t *testing.T) {
	out := render(t, example(), dir(map[string]string{
		"index.html": "<h1>Home</h1>", "info.html": "<h1>Info</h1>", "info.md": "# Rules\n",
	}))
	if got, want := out["index.html"], "<h1>Home</h1>"; got != want {
		t.Errorf("index.html is %.40q, want %q", got, want)
	}
	if got, part := out["info.html"], "Rules</h1>"; !strings.Contains(got, part) {
		t.Errorf("info.html lacks %q:\n%s", part, got)
	}
}

// A translation is a directory with our texts in another language.
func TestTranslation(t *testing.T) {
	words, err := Shipped("words.json")
	if err != nil {
		t.Fatal(err)
	}
	german := strings.NewReplacer(`"en"`, `"de"`, "Get a profile", "Profil holen").Replace(string(words))
	home := render(t, example(), dir(map[string]string{"words.json": german}))["index.html"]
	for _, part := range []string{`<html lang="de">`, ">Profil holen</a>"} {
		if !strings.Contains(home, part) {
			t.Errorf("the home page lacks %q:\n%s", part, home)
		}
	}
}

func TestErrorsNameThePlace(t *testing.T) {
	tests := []struct{ file, content, want string }{
		{"info.md", "# Info\n\n{{ config.no_such_key }}\n", `^info\.md:3: .*no_such_key`},
		{"info.md", "# Info\n{{ nonsense }}\n", `^info\.md:2: function "nonsense" not defined$`},
		{"info.md", "# Info\n\n\n{{ if }}\n", `^info\.md:4: missing value for if$`},
		{"info.md", "# Info\n{% if config.tls_cert_mode == \"self\" %}\n", `^info\.md:2: .*not supported`},
		{"extra.md", "# Info\n{{ .NoSuchField }}\n", `^extra\.md:2: .*NoSuchField`},
		{"layout.html", "<p>\n{{.Nonsense}}\n", `^layout\.html:2: .*Nonsense`},
		{"layout.html", "<p>\n{{words.nonsense}}\n", `^layout\.html:2: .*nonsense`},
		{"layout.html", "<p>\n{{end}}\n", `^layout\.html:2: unexpected {{end}}`},
		{"parts.html", "{{define \"button\"}}\n{{words.nonsense}}{{end}}", `^index\.md:\d+: .*parts\.html:2:.*nonsense`},
		{"words.json", "{\n  \"lang\": \"de\",\n  oops\n}", `^words\.json:3: invalid character 'o'`},
		{"words.json", "{\n\"lang\": 1}", `^words\.json:2: .*cannot unmarshal number`},
		{"words.json", "{}", `^(layout\.html|index\.md|404\.md|info\.md):\d+: .*map has no entry`},
	}
	for _, test := range tests {
		_, err := Render(example(), dir(map[string]string{test.file: test.content}))
		var place *Error
		if !errors.As(err, &place) {
			t.Errorf("%s %q: got %v, want an *Error", test.file, test.content, err)
			continue
		}
		if !regexp.MustCompile(test.want).MatchString(err.Error()) {
			t.Errorf("%s %q: got %q, want it to match %s", test.file, test.content, err, test.want)
		}
	}
}

func TestPagesAreBounded(t *testing.T) {
	many := map[string]string{}
	for i := range maxFiles + 1 {
		many[fmt.Sprintf("%d.txt", i)] = ""
	}
	for name, files := range map[string]map[string]string{
		"many": many,
		"huge": {"film.mp4": strings.Repeat("x", maxFile+1)},
	} {
		if _, err := Render(example(), dir(files)); err == nil {
			t.Errorf("%s: rendered, want an error", name)
		}
	}
}

func TestShipped(t *testing.T) {
	for _, name := range Names() {
		text, err := Shipped(name)
		if err != nil || len(text) == 0 {
			t.Errorf("%s: %d bytes, %v", name, len(text), err)
		}
	}
	if _, err := Shipped("../www.go"); err == nil {
		t.Error("a file outside is shipped")
	}
}

func TestSize(t *testing.T) {
	for n, want := range map[int64]string{
		0: "0 bytes", 1023: "1023 bytes", 1024: "1 KB", 1536: "1.5 KB", 31457280: "30 MB",
		500 << 20: "500 MB", 1 << 30: "1 GB", 3 << 29: "1.5 GB", 20<<30 + 1<<29: "20 GB",
	} {
		if got := size(n); got != want {
			t.Errorf("size(%d): got %q, want %q", n, got, want)
		}
	}
}

// Whatever an operator writes into a privacy key is text, and stays where it is.
func FuzzLines(f *testing.F) {
	for _, seed := range []string{
		"A_B\n*Street* 1", "# no heading", "<script>x</script>", "1. no list\n- nor this", "[a](b) `c` \\ &amp; ![d](e)",
		"a\n\n    b\n\n---\n\n> c", "http://example.org www.example.org x@y.z", "a  \nb\\", "~~~\n```\n", "\ta",
	} {
		f.Add(seed)
	}
	tag := regexp.MustCompile(`<[a-z/!]`)
	f.Fuzz(func(t *testing.T, text string) {
		var b strings.Builder
		if err := goldmark.Convert([]byte(lines(text)), &b); err != nil {
			t.Fatal(err)
		}
		rest := strings.NewReplacer("<p>", "", "</p>", "", "<br />", "", "<br>", "").Replace(b.String())
		if found := tag.FindString(rest); found != "" {
			t.Errorf("%q becomes %q", text, b.String())
		}
	})
}
