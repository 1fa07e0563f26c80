package main

import (
	"bytes"
	"context"
	"crypto/sha256"
	"debug/buildinfo"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// buildType names what the parameters mean. The project has no address on the web yet.
const buildType = "https://chatmaild.example.org/build/make-reproducible/v1"

// A statement is in-toto's (in-toto.io/Statement/v1), about how something was built: SLSA's
// provenance, version 1 (slsa.dev/provenance/v1). Who built it is who signed SHA256SUMS.
type statement struct {
	Type          string    `json:"_type"`
	Subject       []subject `json:"subject"`
	PredicateType string    `json:"predicateType"`
	Predicate     predicate `json:"predicate"`
}

type subject struct {
	Name   string            `json:"name"`
	Digest map[string]string `json:"digest"`
}

type predicate struct {
	BuildDefinition buildDefinition `json:"buildDefinition"`
	RunDetails      runDetails      `json:"runDetails"`
}

type buildDefinition struct {
	BuildType            string       `json:"buildType"`
	ExternalParameters   parameters   `json:"externalParameters"`
	InternalParameters   environment  `json:"internalParameters"`
	ResolvedDependencies []dependency `json:"resolvedDependencies"`
}

// parameters are what someone else needs to build the same.
type parameters struct {
	Commit   string   `json:"commit"`
	Tag      string   `json:"tag"`
	Commands []string `json:"commands"`
}

type environment struct {
	GoVersion    string `json:"goVersion"`
	Reproducible bool   `json:"reproducible"` // built twice, in different directories and circumstances: the same bytes
}

type dependency struct {
	Name   string            `json:"name"`
	Digest map[string]string `json:"digest"`
}

type runDetails struct {
	Builder struct {
		ID string `json:"id"`
	} `json:"builder"`
	Metadata struct {
		StartedOn  time.Time `json:"startedOn"`
		FinishedOn time.Time `json:"finishedOn"`
	} `json:"metadata"`
}

// built is a package that was built, and by which Go.
type built struct{ name, architecture, sha256, goVersion string }

// examine reads a package, and asks its program for which machine and by which Go it was
// built.
func examine(ctx context.Context, tree checkout, name, version, architecture string) (p built, content []byte, err error) {
	path := filepath.Join("build", name)
	fields, err := tree.run(ctx, "dpkg-deb", "--show", "--showformat=${Version} ${Architecture}", path)
	if err != nil {
		return p, nil, err
	}
	if want := version + " " + architecture; fields != want {
		return p, nil, fmt.Errorf("%s is of %s, want %s", path, fields, want)
	}
	program, err := tree.run(ctx, "sh", "-euc", `dpkg-deb --fsys-tarfile "$1" | tar -xO ./usr/sbin/chatmaild`, "program", path)
	if err != nil {
		return p, nil, err
	}
	info, err := buildinfo.Read(strings.NewReader(program))
	if err != nil {
		return p, nil, fmt.Errorf("the program in %s: %w", path, err)
	}
	for _, s := range info.Settings {
		if s.Key == "GOARCH" && s.Value != architecture {
			return p, nil, fmt.Errorf("the program in %s is for %s", path, s.Value)
		}
	}
	content, err = os.ReadFile(filepath.Join(string(tree), path))
	sum := sha256.Sum256(content)
	return built{name, architecture, hex.EncodeToString(sum[:]), info.GoVersion}, content, err
}

// provenance is the statement in JSON. The packages were built by make reproducible, which
// fails unless two builds are the same.
func (r *release) provenance(packages []built, started, finished time.Time) ([]byte, error) {
	s := statement{Type: "https://in-toto.io/Statement/v1", PredicateType: "https://slsa.dev/provenance/v1"}
	def := &s.Predicate.BuildDefinition
	def.BuildType = buildType
	def.ExternalParameters = parameters{Commit: r.commit, Tag: r.tag}
	def.InternalParameters = environment{GoVersion: packages[0].goVersion, Reproducible: true}
	def.ResolvedDependencies = []dependency{{Name: "chatmaild " + r.tag, Digest: map[string]string{"gitCommit": r.commit}}}
	for _, p := range packages {
		if p.goVersion != packages[0].goVersion {
			return nil, fmt.Errorf("%s was built by %s, %s by %s", packages[0].name, packages[0].goVersion, p.name, p.goVersion)
		}
		s.Subject = append(s.Subject, subject{Name: p.name, Digest: map[string]string{"sha256": p.sha256}})
		def.ExternalParameters.Commands = append(def.ExternalParameters.Commands, "make reproducible ARCH="+p.architecture)
	}
	s.Predicate.RunDetails.Builder.ID = buildType
	s.Predicate.RunDetails.Metadata.StartedOn = started.UTC().Truncate(time.Second)
	s.Predicate.RunDetails.Metadata.FinishedOn = finished.UTC().Truncate(time.Second)
	var out bytes.Buffer
	e := json.NewEncoder(&out)
	e.SetIndent("", "  ")
	e.SetEscapeHTML(false)
	err := e.Encode(s)
	return out.Bytes(), err
}
