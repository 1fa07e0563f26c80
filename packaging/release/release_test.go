package main

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"chatmaild/packaging/gpg/gpgtest"
)

const entryFormat = `chatmaild (%s) %s; urgency=medium

%s
 -- m <m@example.org>  Sat, 28 Nov 2026 23:00:00 +0000
`

// makefile builds packages that have a program alone. $(SPOIL) goes wrong.
const makefile = `reproducible:
	@mkdir -p build/tree/DEBIAN build/tree/usr/sbin
	@cd program && CGO_ENABLED=0 GOARCH=$(GOARCH) go build -o ../build/tree/usr/sbin/chatmaild .
	@printf 'Package: chatmaild\nVersion: %s\nArchitecture: %s\nMaintainer: m <m@example.org>\nDescription: test\n' $(VERSION) $(ARCH) >build/tree/DEBIAN/control
	@dpkg-deb --build --root-owner-group -Znone build/tree build/chatmaild_1.1_$(ARCH).deb >/dev/null
	@$(SPOIL)
VERSION = 1.1
GOARCH = $(ARCH)
SPOIL = true
`

// scratch is a checkout in which 1.0 is released, and 1.1 can be.
func scratch(t *testing.T) checkout {
	t.Helper()
	c := checkout(t.TempDir())
	for name, text := range map[string]string{
		"Makefile": makefile, ".gitignore": "/build/\n",
		"program/go.mod": "module program\n", "program/main.go": "package main\n\nfunc main() {}\n",
		"debian/changelog": fmt.Sprintf(entryFormat, "1.0", "bookworm", "  * First.\n"),
		"debian/NEWS":      fmt.Sprintf(entryFormat, "1.0", "bookworm", "  Open a port.\n"),
	} {
		c.write(t, name, text)
	}
	c.must(t, "git", "init", "--quiet")
	for key, value := range map[string]string{"user.name": "m", "user.email": "m@example.org", "core.hooksPath": "/dev/null"} {
		c.must(t, "git", "config", key, value)
	}
	c.commit(t)
	c.must(t, "git", "tag", "--message", "1.0", "v1.0")
	c.write(t, "debian/changelog", fmt.Sprintf(entryFormat, "1.1", "bookworm", "  * Second.\n\n  * Third.\n"))
	c.commit(t)
	return c
}

func (c checkout) write(t *testing.T, name, text string) {
	t.Helper()
	path := filepath.Join(string(c), name)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

func (c checkout) must(t *testing.T, name string, args ...string) string {
	t.Helper()
	out, err := c.run(t.Context(), name, args...)
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(out)
}

func (c checkout) commit(t *testing.T) {
	t.Helper()
	c.must(t, "git", "add", "--all")
	c.must(t, "git", "commit", "--quiet", "--message", "change")
}

func TestRelease(t *testing.T) {
	key := gpgtest.Key(t)[0]
	c := scratch(t)
	for range 2 { // what broke off after the tag is made again
		if err := run(t.Context(), []string{"-C", string(c), "-key", key}); err != nil {
			t.Fatal(err)
		}
	}
	commit := c.must(t, "git", "rev-parse", "HEAD")
	if got := c.must(t, "git", "rev-parse", "v1.1^{commit}"); got != commit {
		t.Errorf("v1.1 is %s, want %s", got, commit)
	}
	c.must(t, "git", "verify-tag", "v1.1")
	out := checkout(filepath.Join(string(c), "build", "release"))
	if got, want := out.must(t, "sha256sum", "--check", "--strict", "SHA256SUMS"), "chatmaild_1.1_amd64.deb: OK\nchatmaild_1.1_arm64.deb: OK\nprovenance.json: OK\nNOTES: OK"; got != want {
		t.Errorf("sha256sum says %q, want %q", got, want)
	}
	out.must(t, "gpg", "--verify", "SHA256SUMS.asc", "SHA256SUMS")
	if got := out.must(t, "gpg", "--show-keys", "--with-colons", "chatmaild.asc"); !strings.Contains(got, key) {
		t.Errorf("chatmaild.asc has not %s:\n%s", key, got)
	}
	if got, want := out.must(t, "cat", "NOTES"), "chatmaild 1.1\n\nWhat changes on your machine\n\n  Nothing that needs action.\n\nAll changes\n\n  * Second.\n\n  * Third."; got != want {
		t.Errorf("NOTES: got %q, want %q", got, want)
	}
	var s statement
	if err := json.Unmarshal([]byte(out.must(t, "cat", "provenance.json")), &s); err != nil {
		t.Fatal(err)
	}
	if def := s.Predicate.BuildDefinition; def.ExternalParameters.Commit != commit || !def.InternalParameters.Reproducible ||
		!strings.HasPrefix(def.InternalParameters.GoVersion, "go1.") || def.ResolvedDependencies[0].Digest["gitCommit"] != commit {
		t.Errorf("provenance: %+v", def)
	}
	for i, architecture := range architectures {
		name := "chatmaild_1.1_" + architecture + ".deb"
		sum, _, _ := strings.Cut(out.must(t, "sha256sum", name), " ")
		if got := s.Subject[i]; got.Name != name || got.Digest["sha256"] != sum {
			t.Errorf("provenance: %+v, want %s of %s", got, sum, name)
		}
	}
}

// TestNews has what operators must know come first.
func TestNews(t *testing.T) {
	c := scratch(t)
	c.write(t, "debian/NEWS", fmt.Sprintf(entryFormat, "1.1", "bookworm", "  Open another port.\n"))
	c.commit(t)
	r, err := c.release(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if got := string(r.notes()); !strings.Contains(got, "machine\n\n  Open another port.\n\nAll changes\n") {
		t.Errorf("got %q", got)
	}
}

func TestRefusals(t *testing.T) {
	key := gpgtest.Key(t)[0]
	changelog := func(version, distribution, text string) func(*testing.T, checkout) {
		return func(t *testing.T, c checkout) {
			c.write(t, "debian/changelog", fmt.Sprintf(entryFormat, version, distribution, text))
			c.commit(t)
		}
	}
	spoil := func(assignment string) func(*testing.T, checkout) {
		return func(t *testing.T, c checkout) {
			c.write(t, "Makefile", makefile+assignment+"\n")
			c.commit(t)
		}
	}
	for _, tt := range []struct {
		name   string
		change func(*testing.T, checkout)
		want   string
	}{
		{"an edited file", func(t *testing.T, c checkout) { c.write(t, "Makefile", "") }, "in no commit; commit or remove them:\n M Makefile"},
		{"a new file", func(t *testing.T, c checkout) { c.write(t, "new", "") }, "?? new"},
		{"an unfinished entry", changelog("1.1", "UNRELEASED", "  * Second.\n"), "dch --release"},
		{"an empty entry", changelog("1.1", "bookworm", ""), "says nothing"},
		{"a released version", changelog("1.0", "bookworm", "  * Again.\n"), "1.0 is released already"},
		{"an older version", changelog("1.0~rc1", "bookworm", "  * Again.\n"), "cannot be the name of a tag"},
		{"a lower version", changelog("0.9", "bookworm", "  * Again.\n"), "0.9 is not newer than 1.0"},
		{"a lower number that is longer", func(t *testing.T, c checkout) {
			c.must(t, "git", "tag", "--message", "1.10", "v1.10", "HEAD~")
			changelog("1.9", "bookworm", "  * Again.\n")(t, c)
		}, "1.9 is not newer than 1.10"},
		{"no NEWS", func(t *testing.T, c checkout) { c.must(t, "git", "rm", "--quiet", "debian/NEWS"); c.commit(t) }, "debian/NEWS"},
		{"a build that fails", spoil("SPOIL = echo it differs; false"), "it differs"},
		{"a build that changes the sources", spoil("SPOIL = touch left"), "?? left"},
		{"another version in the package", spoil("VERSION = 1.2"), "is of 1.2 amd64, want 1.1 amd64"},
		{"a program for another machine", spoil("GOARCH = arm64"), "amd64.deb is for arm64"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c := scratch(t)
			tt.change(t, c)
			before := c.must(t, "git", "tag")
			err := run(t.Context(), []string{"-C", string(c), "-key", key})
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got %v, want %q", err, tt.want)
			}
			if after := c.must(t, "git", "tag"); after != before {
				t.Errorf("tags: %q, %q before", after, before)
			}
		})
	}
	for _, args := range [][]string{{}, {"-key", "nobody@example.org"}, {"-key", key, "more"}} {
		if err := run(t.Context(), append([]string{"-C", string(scratch(t))}, args...)); err == nil {
			t.Errorf("%q is accepted", args)
		}
	}
}
