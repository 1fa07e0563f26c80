// Command sbom says what a program of ours is made of, when the Debian package is
// built: a bill of materials in SPDX 2.3 (spdx.github.io/spdx-spec/v2.3), from what
// the Go linker wrote into the program, and the licences of all modules in it.
//
//	sbom -version V -created SECONDS -goroot DIR -licences FILE PROGRAM >chatmaild.spdx.json
//
// It is not a part of the package itself. The same program and time make the same
// bytes.
package main

import (
	"bytes"
	"crypto/sha256"
	"debug/buildinfo"
	"encoding/hex"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

func main() {
	if err := run(os.Args[1:], os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "sbom:", err)
		os.Exit(1)
	}
}

func run(args []string, out io.Writer) error {
	flags := flag.NewFlagSet("sbom", flag.ContinueOnError)
	version := flags.String("version", "dev", "of the program")
	created := flags.Int64("created", 0, "when, in seconds since 1970")
	vendor := flags.String("vendor", "vendor", "directory with the modules' sources")
	goroot := flags.String("goroot", "/usr/local/go", "directory with Go's own sources")
	licences := flags.String("licences", "", "where to write the texts of all licences")
	if err := flags.Parse(args); err != nil {
		return err
	}
	if flags.NArg() != 1 {
		return fmt.Errorf("want one program, got %q", flags.Args())
	}
	program, err := os.ReadFile(flags.Arg(0))
	if err != nil {
		return err
	}
	info, err := buildinfo.Read(bytes.NewReader(program))
	if err != nil {
		return fmt.Errorf("reading %s: %w", flags.Arg(0), err)
	}
	sum := sha256.Sum256(program)
	m := material{
		name: filepath.Base(flags.Arg(0)), version: *version, sha256: hex.EncodeToString(sum[:]),
		created: time.Unix(*created, 0).UTC(), goVersion: info.GoVersion,
	}
	var texts strings.Builder
	add := func(name, dir string) error {
		text, err := licence(dir)
		if err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		fmt.Fprintf(&texts, "%s\n%s\n\n%s\n\n", name, strings.Repeat("=", len(name)), strings.TrimSpace(text))
		m.licences = append(m.licences, classify(text))
		return nil
	}
	if err := add("Go", *goroot); err != nil {
		return err
	}
	for _, dep := range info.Deps {
		if dep.Replace != nil {
			dep = dep.Replace
		}
		m.modules = append(m.modules, module{dep.Path, dep.Version})
		if err := add(dep.Path, filepath.Join(*vendor, dep.Path)); err != nil {
			return err
		}
	}
	if *licences != "" {
		if err := os.WriteFile(*licences, []byte(texts.String()), 0o644); err != nil {
			return err
		}
	}
	return m.write(out)
}

// licence returns the text under which a directory's code may be used, and what has
// to be said beside it.
func licence(dir string) (string, error) {
	var found []string
	for _, pattern := range []string{"LICENSE*", "LICENCE*", "COPYING*", "NOTICE*"} {
		names, err := filepath.Glob(filepath.Join(dir, pattern))
		if err != nil {
			return "", err
		}
		found = append(found, names...)
	}
	if len(found) == 0 {
		return "", fmt.Errorf("there is no licence in %s", dir)
	}
	slices.Sort(found)
	var all strings.Builder
	for _, name := range found {
		text, err := os.ReadFile(name)
		if err != nil {
			return "", err
		}
		fmt.Fprintf(&all, "%s\n", text)
	}
	return all.String(), nil
}
