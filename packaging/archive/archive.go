package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"chatmaild/packaging/gpg"
	"chatmaild/packaging/program"
)

// suites are the releases of Debian that the packages are for. Each has the same ones: an
// upgrade of Debian then needs no exception for us.
var suites = []string{"bookworm", "trixie"}

var architectures = []string{"amd64", "arm64"}

// section is the part of the repository, and of the paths in it, that our package is in.
const section = "main/c/chatmaild"

type archive struct {
	dir, url string
	keys     gpg.Keys
	valid    int // days; 0: forever
}

// add puts a package in the pool, and its changelog where apt looks for it. One that is
// there stays as it is: machines may have it.
func (a *archive) add(ctx context.Context, deb string) error {
	out, err := program.Output(ctx, "", "dpkg-deb", "--show", "--showformat=${Package} ${Version} ${Architecture}", deb)
	if err != nil {
		return err
	}
	fields := strings.Fields(string(out))
	if len(fields) != 3 || fields[0] != "chatmaild" || !slices.Contains(architectures, fields[2]) {
		return fmt.Errorf("%s is %q; want chatmaild for %s", deb, out, strings.Join(architectures, " or "))
	}
	_, version, _ := strings.Cut(":"+fields[1], ":")
	content, err := os.ReadFile(deb)
	if err != nil {
		return err
	}
	pooled := filepath.Join(a.dir, "pool", section, fmt.Sprintf("chatmaild_%s_%s.deb", version, fields[2]))
	switch there, err := os.ReadFile(pooled); {
	case err == nil && !bytes.Equal(there, content):
		return fmt.Errorf("%s: the archive has another package of this version: raise the version in debian/changelog", deb)
	case err == nil:
		return nil
	case !errors.Is(err, fs.ErrNotExist):
		return err
	}
	changelog, err := program.Output(ctx, "", "sh", "-euc", `dpkg-deb --fsys-tarfile "$1" | tar -xO ./usr/share/doc/chatmaild/changelog.gz | gzip -dc`, "changelog", deb)
	if err != nil {
		return err
	}
	if err := write(filepath.Join(a.dir, "changelogs", section, "chatmaild_"+version+"_changelog"), changelog); err != nil {
		return err
	}
	return write(pooled, content)
}

// publish writes a suite's indices, and signs them last.
func (a *archive) publish(ctx context.Context, suite string) error {
	dist := filepath.Join(a.dir, "dists", suite)
	for _, architecture := range architectures {
		packages, err := a.ftparchive(ctx, "--arch", architecture, "packages", "pool")
		if err != nil {
			return err
		}
		name := filepath.Join(dist, "main", "binary-"+architecture, "Packages")
		if err := write(name, packages); err != nil {
			return err
		}
		if _, err := program.Output(ctx, "", "xz", "--force", "--keep", name); err != nil {
			return err
		}
	}
	// Of a Release that is there it would write the checksums, too.
	for _, name := range []string{"Release", "Release.gpg"} {
		if err := os.Remove(filepath.Join(dist, name)); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	release, err := a.ftparchive(ctx, append(a.fields(suite), "release", "dists/"+suite)...)
	if err != nil {
		return err
	}
	// apt-ftparchive has no option for this field.
	changelogs := "Changelogs: " + a.url + "/changelogs/@CHANGEPATH@_changelog\n"
	if err := a.sign(ctx, dist, append([]byte(changelogs), release...)); err != nil {
		return err
	}
	public, err := a.keys.Export(ctx)
	if err != nil {
		return err
	}
	return errors.Join(
		write(filepath.Join(a.dir, "chatmaild.asc"), public),
		write(filepath.Join(a.dir, suite, "chatmaild.sources"), []byte(sources(a.url, suite, keyring))))
}

// fields are those of the Release file: wiki.debian.org/DebianRepository/Format.
func (a *archive) fields(suite string) (options []string) {
	for _, field := range []string{
		"Release::Origin=chatmaild", "Release::Label=chatmaild", "Release::Suite=" + suite, "Release::Codename=" + suite,
		"Release::Architectures=" + strings.Join(architectures, " "), "Release::Components=main",
		"Release::Description=chatmail relay", "Release::Acquire-By-Hash=true", "DoByHash=true",
		"MD5=false", "SHA1=false",
		fmt.Sprintf("Release::ValidTime=%d", a.valid*24*60*60), // seconds
	} {
		options = append(options, "--option", "APT::FTPArchive::"+field)
	}
	return options
}

// sign writes the Release file in both forms: apt reads InRelease, other tools may want
// the two files.
func (a *archive) sign(ctx context.Context, dist string, release []byte) error {
	plain := filepath.Join(dist, "Release")
	if err := write(plain, release); err != nil {
		return err
	}
	if err := a.keys.Detach(ctx, plain, plain+".gpg"); err != nil {
		return err
	}
	signed := filepath.Join(dist, "InRelease")
	if err := a.keys.Clearsign(ctx, plain, signed+".new"); err != nil {
		return err
	}
	return os.Rename(signed+".new", signed)
}

func (a *archive) ftparchive(ctx context.Context, args ...string) ([]byte, error) {
	return program.Output(ctx, a.dir, "apt-ftparchive", append([]string{"--quiet"}, args...)...)
}

// keyring is where a machine keeps the key: sources.list(5) says so of keys that no
// package has.
const keyring = "/etc/apt/keyrings/chatmaild.asc"

// sources is the file that a machine gets the archive by, in deb822 format.
func sources(url, suite, keyring string) string {
	return "Types: deb\nURIs: " + url + "\nSuites: " + suite + "\nComponents: main\nSigned-By: " + keyring + "\n"
}

// write makes a file, and its directory if need be, atomically.
func write(name string, content []byte) error {
	if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
		return err
	}
	if err := os.WriteFile(name+".new", content, 0o644); err != nil {
		return err
	}
	return os.Rename(name+".new", name)
}
