package main

import (
	"bytes"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func TestWrite(t *testing.T) {
	m := material{
		name: "chatmaild", version: "1.2", sha256: "ab12", created: time.Unix(86400, 0).UTC(), goVersion: "go1.26.8",
		modules: []module{{"example.org/x/y", "v1.0.0"}}, licences: []string{"BSD-3-Clause", "MIT"},
	}
	var first, second bytes.Buffer
	if err := m.write(&first); err != nil {
		t.Fatal(err)
	}
	if err := m.write(&second); err != nil || first.String() != second.String() {
		t.Errorf("two documents of one program differ: %v", err)
	}
	var doc document
	if err := json.Unmarshal(first.Bytes(), &doc); err != nil {
		t.Fatal(err)
	}
	if doc.Creation.Created != "1970-01-02T00:00:00Z" || doc.Namespace != "urn:sha256:ab12" {
		t.Errorf("got %+v", doc)
	}
	ids := map[string]bool{doc.ID: true}
	var locators []string
	for _, p := range doc.Packages {
		if ids[p.ID] {
			t.Errorf("two elements are called %s", p.ID)
		}
		ids[p.ID] = true
		for _, r := range p.References {
			locators = append(locators, r.Locator+" "+p.Declared)
		}
	}
	want := "pkg:golang/stdlib@v1.26.8 BSD-3-Clause,pkg:golang/example.org/x/y@v1.0.0 MIT"
	if got := strings.Join(locators, ","); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	for _, r := range doc.Relationships {
		if !ids[r.Element] || !ids[r.Related] {
			t.Errorf("%+v is of an element that is not there", r)
		}
	}
	if len(doc.Relationships) != 3 {
		t.Errorf("got %d relationships, want 3", len(doc.Relationships))
	}
}

// TestRun makes the document of this very test, which is a Go program too.
func TestRun(t *testing.T) {
	program, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	goroot, err := exec.Command("go", "env", "GOROOT").Output()
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "licences")
	var out bytes.Buffer
	if err := run([]string{"-goroot", strings.TrimSpace(string(goroot)), "-licences", file, program}, &out); err != nil {
		t.Fatal(err)
	}
	texts, err := os.ReadFile(file)
	if err != nil || !strings.Contains(string(texts), "The Go Authors") {
		t.Errorf("got the licences %q, %v", texts, err)
	}
	for _, args := range [][]string{nil, {file}, {"/nonexistent"}} {
		if err := run(args, &out); err == nil {
			t.Errorf("%q: got no error", args)
		}
	}
}

func TestClassify(t *testing.T) {
	ours, err := os.ReadFile("../../LICENSE")
	if err != nil {
		t.Fatal(err)
	}
	for text, want := range map[string]string{
		string(ours): "MIT",
		"                                 Apache License\n                           Version 2.0, January 2004": "Apache-2.0",
		"Mozilla Public License, version 2.0": "MPL-2.0",
		"* Redistributions in binary form must reproduce the above\ncopyright notice\n* Neither the name of Google": "BSD-3-Clause",
		"2. Redistributions in binary form must reproduce the above copyright notice":                               "BSD-2-Clause",
		"All rights reserved.": unknown,
	} {
		if got := classify(text); got != want {
			t.Errorf("%.40q: got %s, want %s", text, got, want)
		}
	}
}
