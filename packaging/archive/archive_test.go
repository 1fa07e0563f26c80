package main

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"chatmaild/packaging/gpg/gpgtest"
	"chatmaild/packaging/program"
)

// makeDeb makes a package that has nothing but a changelog.
func makeDeb(t *testing.T, name, version, architecture string) string {
	t.Helper()
	dir := t.TempDir()
	deb := filepath.Join(dir, name+".deb")
	script := `mkdir -p tree/DEBIAN tree/usr/share/doc/chatmaild
printf 'Package: %s\nVersion: %s\nArchitecture: %s\nMaintainer: m <m@example.org>\nDescription: test\n' "$1" "$2" "$3" >tree/DEBIAN/control
echo "$1 ($2) unstable; urgency=medium" | gzip -n >tree/usr/share/doc/chatmaild/changelog.gz
dpkg-deb --build --root-owner-group tree "$4" >/dev/null`
	if _, err := program.Output(t.Context(), dir, "sh", "-euc", script, "deb", name, version, architecture, deb); err != nil {
		t.Fatal(err)
	}
	return deb
}

// made makes an archive of packages, and its address.
func made(t *testing.T, args ...string) (dir string, err error) {
	t.Helper()
	dir = t.TempDir()
	return dir, run(t.Context(), append([]string{"-dir", dir, "-url", "https://apt.example.org/", "-key", "throw-away@example.org"}, args...))
}

func TestArchive(t *testing.T) {
	gpgtest.Key(t)
	old, next := makeDeb(t, "chatmaild", "1.0", "amd64"), makeDeb(t, "chatmaild", "1:1.1~rc1", "amd64")
	dir, err := made(t, old, makeDeb(t, "chatmaild", "1.0", "arm64"))
	if err != nil {
		t.Fatal(err)
	}
	read := func(name string) string {
		t.Helper()
		text, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		return string(text)
	}
	first := read("dists/trixie/InRelease")
	for _, want := range []string{
		"Acquire-By-Hash: yes\n", "Origin: chatmaild\n", "Codename: trixie\n", "Suite: trixie\n", "Components: main\n", "Architectures: amd64 arm64\n",
		"Changelogs: https://apt.example.org/changelogs/@CHANGEPATH@_changelog\n", "SHA256:\n", "main/binary-arm64/Packages.xz\n",
	} {
		if !strings.Contains(first, want) {
			t.Errorf("InRelease lacks %q:\n%s", want, first)
		}
	}
	for _, lacks := range []string{"Valid-Until", "MD5Sum", "InRelease", "Release.gpg"} {
		if strings.Contains(first, lacks) {
			t.Errorf("InRelease has %q", lacks)
		}
	}
	if got := read("bookworm/chatmaild.sources"); got != "Types: deb\nURIs: https://apt.example.org\nSuites: bookworm\nComponents: main\nSigned-By: /etc/apt/keyrings/chatmaild.asc\n" {
		t.Errorf("chatmaild.sources is %q", got)
	}
	if got := read("changelogs/main/c/chatmaild/chatmaild_1.0_changelog"); got != "chatmaild (1.0) unstable; urgency=medium\n" {
		t.Errorf("the changelog is %q", got)
	}

	// A second release beside the first, which stays where it is.
	former, err := filepath.Glob(filepath.Join(dir, "dists/*/main/*/by-hash/SHA256/*"))
	if err != nil || len(former) == 0 {
		t.Fatalf("by-hash files: %q, %v", former, err)
	}
	args := []string{"-dir", dir, "-url", "https://apt.example.org", "-key", "throw-away@example.org", "-valid", "7"}
	if err := run(t.Context(), append(args, old, next)); err != nil {
		t.Fatal(err)
	}
	for _, suite := range suites {
		versions, err := check(t.Context(), dir, suite)
		if err != nil || !slices.Equal(versions, []string{"1:1.1~rc1", "1.0"}) {
			t.Errorf("%s: apt sees %q, %v", suite, versions, err)
		}
	}
	for _, name := range former {
		if _, err := os.Stat(name); err != nil {
			t.Errorf("an index of before: %v", err)
		}
	}
	if second := read("dists/trixie/InRelease"); !strings.Contains(second, "\nValid-Until: ") {
		t.Errorf("InRelease lacks Valid-Until:\n%s", second)
	}
}

func TestRefusals(t *testing.T) {
	gpgtest.Key(t)
	deb := makeDeb(t, "chatmaild", "1.0", "amd64")
	dir, err := made(t, deb)
	if err != nil {
		t.Fatal(err)
	}
	other := makeDeb(t, "chatmaild", "1.0", "amd64")
	if err := os.WriteFile(other, append(read(t, other), '\n'), 0o644); err != nil {
		t.Fatal(err)
	}
	good := []string{"-dir", dir, "-url", "https://apt.example.org", "-key", "throw-away@example.org"}
	for _, tt := range []struct {
		args []string
		want string
	}{
		{good, "make deb"},
		{append(slices.Clone(good), "/nonexistent.deb"), "/nonexistent.deb"},
		{append(slices.Clone(good), makeDeb(t, "postfix", "1.0", "amd64")), `want chatmaild for amd64 or arm64`},
		{append(slices.Clone(good), makeDeb(t, "chatmaild", "1.0", "riscv64")), `want chatmaild for amd64 or arm64`},
		{append(slices.Clone(good), other), "raise the version"},
		{[]string{"-dir", dir, "-url", "https://apt.example.org", "-key", "nobody@example.org", deb}, "no secret key nobody@example.org"},
		{[]string{"-dir", dir, "-url", "https://apt.example.org", deb}, "KEY=FINGERPRINT"},
		{[]string{"-dir", dir, "-url", "apt.example.org", deb}, "not the URL"},
		{[]string{"-url", "https://apt.example.org", deb}, "missing -dir"},
		{append([]string{"-valid", "-1"}, append(slices.Clone(good), deb)...), "number of days"},
	} {
		if err := run(t.Context(), tt.args); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%q: got %v, want %q", tt.args, err, tt.want)
		}
	}
}

// TestTampered has apt refuse an archive in which something was changed.
func TestTampered(t *testing.T) {
	gpgtest.Key(t)
	whole, err := made(t, makeDeb(t, "chatmaild", "1.0", "amd64"))
	if err != nil {
		t.Fatal(err)
	}
	replace := func(old, now string) func([]byte) []byte {
		return func(text []byte) []byte { return bytes.ReplaceAll(text, []byte(old), []byte(now)) }
	}
	flip := func(content []byte) []byte { content[len(content)/2]++; return content }
	for _, tt := range []struct {
		name    string
		pattern string // with spaces between two
		change  func([]byte) []byte
		want    string
	}{
		{"nothing", "dists/trixie/InRelease", replace("trixie", "trixie"), ""},
		{"the signed text", "dists/trixie/InRelease", replace("Label: chatmaild", "Label: chatmai1d"), "signature"},
		{"the signature", "dists/trixie/InRelease", replace("\n\ni", "\n\nj"), "signature"},
		{"no signature", "dists/trixie/InRelease", func(text []byte) []byte {
			body, _, _ := strings.Cut(string(text), "-----BEGIN PGP SIGNATURE")
			return []byte(strings.SplitN(body, "\n\n", 2)[1])
		}, "Release"},
		{"an index", "dists/trixie/main/binary-amd64/Packages* dists/trixie/main/binary-amd64/by-hash/SHA*/*", flip, "Hash Sum mismatch"},
		{"the package", "pool/main/c/chatmaild/*.deb", flip, "Hash Sum mismatch"},
		{"another's key", "chatmaild.asc", func([]byte) []byte { return anotherKey(t) }, missingKey(t)},
	} {
		t.Run(tt.name, func(t *testing.T) {
			dir := t.TempDir()
			if err := os.CopyFS(dir, os.DirFS(whole)); err != nil {
				t.Fatal(err)
			}
			for _, name := range matches(t, dir, tt.pattern) {
				if err := os.WriteFile(name, tt.change(read(t, name)), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			_, err := check(t.Context(), dir, "trixie")
			if got := fmt.Sprint(err); (err == nil) != (tt.want == "") || err != nil && !strings.Contains(got, tt.want) {
				t.Errorf("got %v, want %q", got, tt.want)
			}
		})
	}
}

// missingKey is what apt says of one: Debian 13's is told by sqv, others' by gpgv.
func missingKey(t *testing.T) string {
	t.Helper()
	if _, err := exec.LookPath("sqv"); err == nil {
		return "Missing key"
	}
	return "NO_PUBKEY"
}

// matches returns the files of patterns.
func matches(t *testing.T, dir, patterns string) (names []string) {
	t.Helper()
	for pattern := range strings.FieldsSeq(patterns) {
		found, err := filepath.Glob(filepath.Join(dir, pattern))
		if err != nil || len(found) == 0 {
			t.Fatalf("what is %s: %q, %v", pattern, found, err)
		}
		names = append(names, found...)
	}
	return names
}

func read(t *testing.T, name string) []byte {
	t.Helper()
	text, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// anotherKey is the public half of a key that has signed nothing.
func anotherKey(t *testing.T) []byte {
	t.Helper()
	text, err := gpgtest.Key(t).Export(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return text
}
