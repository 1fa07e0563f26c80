package www

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"html/template"
	"regexp"
	"strconv"
	"strings"
	"sync"
	texttemplate "text/template"

	"github.com/yuin/goldmark"
	"github.com/yuin/goldmark/ast"
	"github.com/yuin/goldmark/parser"
	"github.com/yuin/goldmark/renderer/html"
	"github.com/yuin/goldmark/text"
)

// The ingredients.
const (
	wordsFile  = "words.json"
	layoutFile = "layout.html"
	partsFile  = "parts.html"
)

// siteRenderer turns one source's pages into HTML.
type siteRenderer struct {
	src    *source
	values values
	layout *template.Template
	parts  *template.Template
	md     goldmark.Markdown
}

func newSiteRenderer(site Site, src *source) (*siteRenderer, error) {
	words, err := readWords(site, src)
	if err != nil {
		return nil, err
	}
	r := &siteRenderer{src: src, values: values{site, words}}
	if r.layout, err = r.htmlTemplate(layoutFile); err != nil {
		return nil, err
	}
	if r.parts, err = r.htmlTemplate(partsFile); err != nil {
		return nil, err
	}
	r.md = goldmark.New(
		goldmark.WithExtensions(blocks{}),
		goldmark.WithParserOptions(parser.WithAutoHeadingID(), parser.WithAttribute()),
		goldmark.WithRendererOptions(html.WithUnsafe()),
	)
	return r, nil
}

// readWords returns the words around the pages. {domain} in one is the relay's.
func readWords(site Site, src *source) (map[string]string, error) {
	data, err := src.read(wordsFile)
	if err != nil {
		return nil, err
	}
	words := make(map[string]string)
	if err := json.Unmarshal(data, &words); err != nil {
		line := 0
		var syntax *json.SyntaxError
		var kind *json.UnmarshalTypeError
		switch {
		case errors.As(err, &syntax):
			line = 1 + bytes.Count(data[:syntax.Offset], []byte("\n"))
		case errors.As(err, &kind):
			line = 1 + bytes.Count(data[:kind.Offset], []byte("\n"))
		}
		return nil, &Error{wordsFile, line, err.Error()}
	}
	for k, w := range words {
		words[k] = strings.ReplaceAll(w, "{domain}", site.MailDomain)
	}
	return words, nil
}

func (r *siteRenderer) htmlTemplate(name string) (*template.Template, error) {
	data, err := r.src.read(name)
	if err != nil {
		return nil, err
	}
	t, err := template.New(name).Funcs(r.values.funcs(nil)).Option("missingkey=error").Parse(string(data))
	if err != nil {
		return nil, templateError(name, err)
	}
	return t, nil
}

// layoutData is what layout.html gets.
type layoutData struct {
	Site
	Page  string // the file name without .md
	Title string // the page's first heading, as plain text
	Body  template.HTML
}

// page renders one Markdown file.
func (r *siteRenderer) page(name string) ([]byte, error) {
	source, err := r.src.read(name)
	if err != nil {
		return nil, err
	}
	if i := bytes.Index(source, []byte("{%")); i >= 0 {
		line := 1 + bytes.Count(source[:i], []byte("\n"))
		return nil, &Error{name, line, "{% … %} is not supported here: want {{ if … }} … {{ end }}"}
	}
	t, err := texttemplate.New(name).Funcs(r.values.funcs(r.part)).Option("missingkey=error").Parse(string(source))
	if err != nil {
		return nil, templateError(name, err)
	}
	var markdown, body, page bytes.Buffer
	if err := t.Execute(&markdown, r.values.site); err != nil {
		return nil, templateError(name, err)
	}
	doc := r.md.Parser().Parse(text.NewReader(markdown.Bytes()))
	if err := r.md.Renderer().Render(&body, markdown.Bytes(), doc); err != nil {
		return nil, &Error{File: name, Text: err.Error()}
	}
	err = r.layout.Execute(&page, layoutData{
		Site:  r.values.site,
		Page:  strings.TrimSuffix(name, ".md"),
		Title: title(doc, markdown.Bytes()),
		Body:  template.HTML(body.String()),
	})
	if err != nil {
		return nil, templateError(layoutFile, err)
	}
	return page.Bytes(), nil
}

// part returns one of the blocks in parts.html. A blank line would end the HTML block
// that it becomes in Markdown (CommonMark §4.6).
func (r *siteRenderer) part(name string) (string, error) {
	var b bytes.Buffer
	if err := r.parts.ExecuteTemplate(&b, name, r.values.site); err != nil {
		return "", err
	}
	return blankLines().ReplaceAllString(strings.TrimSpace(b.String()), "\n"), nil
}

// Regular expressions are compiled when they are needed: the daemons, which are the
// same program, render no pages.
var blankLines = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`\n\s*\n`) })

// title returns the text of the first heading of level 1.
func title(doc ast.Node, source []byte) string {
	var b strings.Builder
	for n := doc.FirstChild(); n != nil; n = n.NextSibling() {
		h, ok := n.(*ast.Heading)
		if !ok || h.Level != 1 {
			continue
		}
		// The walker below returns no error.
		_ = ast.Walk(h, func(n ast.Node, entering bool) (ast.WalkStatus, error) {
			switch n := n.(type) {
			case *ast.Text:
				if entering {
					b.Write(n.Segment.Value(source))
				}
			case *ast.String:
				if entering {
					b.Write(n.Value)
				}
			}
			return ast.WalkContinue, nil
		})
		break
	}
	return b.String()
}

// Errors of both template packages are "template: NAME:LINE: text" or
// "template: NAME:LINE:COLUMN: text", in html also with "html/" in front.
var templatePlace = sync.OnceValue(func() *regexp.Regexp {
	return regexp.MustCompile(`^(?:html/)?template: ?([^:]+):(\d+):(?:\d+:)? (?s:(.*))$`)
})

func templateError(name string, err error) error {
	m := templatePlace().FindStringSubmatch(err.Error())
	if m == nil {
		return &Error{File: name, Text: err.Error()}
	}
	line, convErr := strconv.Atoi(m[2])
	if convErr != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	return &Error{m[1], line, m[3]}
}
