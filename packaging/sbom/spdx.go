package main

import (
	"encoding/json"
	"fmt"
	"io"
	"regexp"
	"strings"
	"time"
)

// material is what a program is made of.
type material struct {
	name, version, sha256 string
	created               time.Time
	goVersion             string // "go1.26.8"
	modules               []module
	licences              []string // of Go, then of each module: SPDX identifiers
}

type module struct{ path, version string }

// The parts of an SPDX document that are used here; the names are the format's.
type (
	document struct {
		Version       string         `json:"spdxVersion"`
		DataLicense   string         `json:"dataLicense"`
		ID            string         `json:"SPDXID"`
		Name          string         `json:"name"`
		Namespace     string         `json:"documentNamespace"`
		Creation      creation       `json:"creationInfo"`
		Packages      []part         `json:"packages"`
		Relationships []relationship `json:"relationships"`
	}
	creation struct {
		Created  string   `json:"created"`
		Creators []string `json:"creators"`
	}
	part struct {
		ID               string      `json:"SPDXID"`
		Name             string      `json:"name"`
		Version          string      `json:"versionInfo"`
		FileName         string      `json:"packageFileName,omitempty"`
		DownloadLocation string      `json:"downloadLocation"`
		FilesAnalyzed    bool        `json:"filesAnalyzed"`
		Checksums        []checksum  `json:"checksums,omitempty"`
		Concluded        string      `json:"licenseConcluded"`
		Declared         string      `json:"licenseDeclared"`
		Copyright        string      `json:"copyrightText"`
		References       []reference `json:"externalRefs,omitempty"`
	}
	checksum struct {
		Algorithm string `json:"algorithm"`
		Value     string `json:"checksumValue"`
	}
	reference struct {
		Category string `json:"referenceCategory"`
		Type     string `json:"referenceType"`
		Locator  string `json:"referenceLocator"`
	}
	relationship struct {
		Element string `json:"spdxElementId"`
		Type    string `json:"relationshipType"`
		Related string `json:"relatedSpdxElement"`
	}
)

// unknown is what SPDX says where nobody looked.
const unknown = "NOASSERTION"

const documentID = "SPDXRef-DOCUMENT"

// write writes the document.
func (m *material) write(w io.Writer) error {
	program := part{
		ID: "SPDXRef-Program", Name: m.name, Version: m.version, FileName: "usr/sbin/" + m.name, DownloadLocation: unknown,
		Checksums: []checksum{{"SHA256", m.sha256}}, Concluded: "MIT", Declared: "MIT", Copyright: unknown,
	}
	doc := document{
		Version: "SPDX-2.3", DataLicense: "CC0-1.0", ID: documentID, Name: m.name + "-" + m.version,
		// Unique, as it has to be, and the same for the same program.
		Namespace:     "urn:sha256:" + m.sha256,
		Creation:      creation{m.created.Format(time.RFC3339), []string{"Tool: chatmaild/packaging/sbom"}},
		Packages:      []part{program},
		Relationships: []relationship{{documentID, "DESCRIBES", program.ID}},
	}
	all := append([]module{{"stdlib", "v" + strings.TrimPrefix(m.goVersion, "go")}}, m.modules...)
	for i, mod := range all {
		p := part{
			ID: fmt.Sprintf("SPDXRef-Module-%d", i), Name: mod.path, Version: mod.version, DownloadLocation: unknown,
			Concluded: unknown, Declared: m.licences[i], Copyright: unknown,
			References: []reference{{"PACKAGE-MANAGER", "purl", "pkg:golang/" + mod.path + "@" + mod.version}},
		}
		doc.Packages = append(doc.Packages, p)
		doc.Relationships = append(doc.Relationships, relationship{program.ID, "STATIC_LINK", p.ID})
	}
	enc := json.NewEncoder(w)
	enc.SetIndent("", "  ")
	return enc.Encode(doc)
}

// licenceTexts are sentences that only one licence has, in the order in which
// they are looked for: the longer of two that share one comes first.
var licenceTexts = []struct{ id, text string }{
	{"Apache-2.0", "apache license version 2.0"},
	{"MPL-2.0", "mozilla public license version 2.0"},
	{"BSD-3-Clause", "neither the name of"},
	{"BSD-2-Clause", "redistributions in binary form must reproduce the above copyright"},
	{"ISC", "permission to use, copy, modify, and/or distribute this software"},
	{"MIT", "permission is hereby granted, free of charge, to any person obtaining a copy"},
	{"Unlicense", "this is free and unencumbered software released into the public domain"},
}

var gaps = regexp.MustCompile(`[\s,]+`)

// classify returns the SPDX identifier of a licence's text.
func classify(text string) string {
	flat := gaps.ReplaceAllString(strings.ToLower(text), " ")
	for _, l := range licenceTexts {
		if strings.Contains(flat, gaps.ReplaceAllString(l.text, " ")) {
			return l.id
		}
	}
	return unknown
}
