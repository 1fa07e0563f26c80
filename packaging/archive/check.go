package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"chatmaild/packaging/program"
)

// check has this machine's apt read a suite of the archive as a machine does that trusts
// the archive's key alone, and download the newest package. It returns the versions
// that apt sees.
func check(ctx context.Context, dir, suite string) ([]string, error) {
	tmp, err := os.MkdirTemp("", "archive")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(tmp)
	apt, err := newMachine(tmp, dir, suite)
	if err != nil {
		return nil, err
	}
	if _, err := apt.run(ctx, "apt-get", "update", "--error-on=any"); err != nil {
		return nil, err
	}
	out, err := apt.run(ctx, "apt-cache", "madison", "chatmaild")
	if err != nil {
		return nil, err
	}
	var versions []string
	for line := range strings.Lines(string(out)) {
		if fields := strings.Split(line, "|"); len(fields) > 1 {
			versions = append(versions, strings.TrimSpace(fields[1]))
		}
	}
	if len(versions) == 0 {
		return nil, errors.New("it finds no chatmaild")
	}
	_, err = apt.run(ctx, "apt-get", "download", "chatmaild:"+apt.architecture)
	return versions, err
}

// An aptMachine is a directory in which apt finds all that a machine has for it.
type aptMachine struct {
	dir, config, architecture string
}

// newMachine has the archive as its only source, and as its architecture one that the
// archive has packages for.
func newMachine(dir, archive, suite string) (*aptMachine, error) {
	m := &aptMachine{dir: dir, config: filepath.Join(dir, "apt.conf"), architecture: architectures[0]}
	found, err := filepath.Glob(filepath.Join(archive, "pool", section, "*_"+m.architecture+".deb"))
	if err != nil {
		return nil, err
	}
	if len(found) == 0 {
		m.architecture = architectures[1]
	}
	for _, sub := range []string{"etc/apt/sources.list.d", "etc/apt/preferences.d", "etc/apt/apt.conf.d", "etc/apt/trusted.gpg.d", "state/lists/partial", "cache/archives/partial"} {
		if err := os.MkdirAll(filepath.Join(dir, sub), 0o755); err != nil {
			return nil, err
		}
	}
	for name, text := range map[string]string{
		"status": "",
		"etc/apt/sources.list.d/chatmaild.sources": sources("file:"+archive, suite, filepath.Join(archive, "chatmaild.asc")),
		// As the caller, who may be any user, and may have the archive in a home directory.
		"apt.conf": fmt.Sprintf(`Dir "%[1]s";
Dir::State "%[1]s/state";
Dir::State::status "%[1]s/status";
Dir::Cache "%[1]s/cache";
Dir::Etc "%[1]s/etc/apt";
APT::Architecture "%[2]s";
APT::Architectures { "%[2]s"; };
APT::Sandbox::User "";
Acquire::Languages "none";
`, dir, m.architecture),
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			return nil, err
		}
	}
	return m, nil
}

func (m *aptMachine) run(ctx context.Context, args ...string) ([]byte, error) {
	return program.Output(ctx, m.dir, "env", append([]string{"APT_CONFIG=" + m.config}, args...)...)
}
