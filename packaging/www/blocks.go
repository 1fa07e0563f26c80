package www

import (
	"bytes"
	"fmt"

	"github.com/yuin/goldmark"
	"github.com/yuin/goldmark/ast"
	"github.com/yuin/goldmark/parser"
	"github.com/yuin/goldmark/renderer"
	"github.com/yuin/goldmark/text"
	"github.com/yuin/goldmark/util"
)

// blocks adds to CommonMark what pages want beside it:
//
//	Term                     | Head | Head |
//	: its definition,        |------|------|
//	  which may continue       | cell | cell |
//
// goldmark has more of both, in a package of many things whose regular expressions took
// a quarter of a megabyte in every daemon: these are the same program.
type blocks struct{}

// Extend implements goldmark.Extender.
func (blocks) Extend(m goldmark.Markdown) {
	m.Parser().AddOptions(parser.WithParagraphTransformers(
		util.Prioritized(paragraphs(definitions), 200),
		util.Prioritized(paragraphs(table), 200),
	))
	m.Renderer().AddOptions(renderer.WithNodeRenderers(util.Prioritized(elements{}, 500)))
}

// element is an HTML element without attributes.
type element struct {
	ast.BaseBlock
	tag string
}

var kindElement = ast.NewNodeKind("Element")

// Kind implements ast.Node.
func (e *element) Kind() ast.NodeKind { return kindElement }

// Dump implements ast.Node.
func (e *element) Dump(source []byte, level int) {
	ast.DumpHelper(e, source, level, map[string]string{"Tag": e.tag}, nil)
}

// add appends an element, with the text of the lines if there are some. goldmark's
// parser cannot read an empty one.
func add(parent ast.Node, tag string, lines ...text.Segment) *element {
	e := &element{tag: tag}
	for _, line := range lines {
		if !line.IsEmpty() {
			e.Lines().Append(line)
		}
	}
	parent.AppendChild(parent, e)
	return e
}

// elements renders them.
type elements struct{}

// RegisterFuncs implements renderer.NodeRenderer.
func (elements) RegisterFuncs(reg renderer.NodeRendererFuncRegisterer) {
	reg.Register(kindElement, func(w util.BufWriter, _ []byte, n ast.Node, entering bool) (ast.WalkStatus, error) {
		format := "</%s>\n"
		if entering {
			format = "<%s>"
			if child := n.FirstChild(); child != nil && child.Type() == ast.TypeBlock {
				format = "<%s>\n"
			}
		}
		_, err := fmt.Fprintf(w, format, n.(*element).tag)
		return ast.WalkContinue, err
	})
}

// paragraphs makes of a paragraph's lines, without the white space around them,
// something else, below the given element. It returns nil if they are just a paragraph.
type paragraphs func(source []byte, lines []text.Segment) *element

// Transform implements parser.ParagraphTransformer. Of lists with nothing but empty
// lines between them it makes one.
func (from paragraphs) Transform(p *ast.Paragraph, reader text.Reader, _ parser.Context) {
	source := reader.Source()
	var lines []text.Segment
	for i := range p.Lines().Len() {
		line := p.Lines().At(i)
		lines = append(lines, line.TrimLeftSpace(source))
	}
	made := from(source, lines)
	if made == nil {
		return
	}
	parent := p.Parent()
	if last, ok := p.PreviousSibling().(*element); ok && last.tag == "dl" && made.tag == "dl" {
		for made.HasChildren() {
			last.AppendChild(last, made.FirstChild())
		}
	} else {
		parent.InsertBefore(parent, p, made)
	}
	parent.RemoveChild(parent, p)
}

// definitions reads terms, a line each, and what defines them, which begins with ": ".
func definitions(source []byte, lines []text.Segment) *element {
	list := &element{tag: "dl"}
	var last *element
	for i, line := range lines {
		value := line.Value(source)
		switch {
		case bytes.HasPrefix(value, []byte(": ")):
			if i == 0 {
				return nil
			}
			line = line.WithStart(line.Start + 2)
			last = add(list, "dd", line.TrimLeftSpace(source))
		case last == nil:
			add(list, "dt", line.TrimRightSpace(source))
		default:
			last.Lines().Append(line)
		}
	}
	if last == nil {
		return nil
	}
	for n := list.FirstChild(); n != nil; n = n.NextSibling() {
		if end := n.Lines().Len() - 1; end >= 0 {
			line := n.Lines().At(end)
			n.Lines().Set(end, line.TrimRightSpace(source))
		}
	}
	return list
}

// table reads a row with the heads, one of hyphens, and the others, which get as many
// cells. Colons between the hyphens say nothing: main.css aligns.
func table(source []byte, lines []text.Segment) *element {
	if len(lines) < 2 {
		return nil
	}
	hyphens := lines[1].Value(source)
	if len(bytes.Trim(hyphens, "|-: \t\r\n")) > 0 || !bytes.Contains(hyphens, []byte("|")) || !bytes.Contains(hyphens, []byte("-")) {
		return nil
	}
	heads := cells(source, lines[0])
	if len(heads) != len(cells(source, lines[1])) {
		return nil
	}
	t := &element{tag: "table"}
	row := add(add(t, "thead"), "tr")
	for _, head := range heads {
		add(row, "th", head)
	}
	body := add(t, "tbody")
	for _, line := range lines[2:] {
		row, got := add(body, "tr"), cells(source, line)
		for i := range heads {
			if i < len(got) {
				add(row, "td", got[i])
			} else {
				add(row, "td")
			}
		}
	}
	return t
}

// cells splits a row at its "|", of which those at both ends may be left out, but not
// at "\|".
func cells(source []byte, line text.Segment) []text.Segment {
	line = line.TrimRightSpace(source)
	value := line.Value(source)
	var out []text.Segment
	start := 0
	for i := 0; i <= len(value); i++ {
		if i < len(value) && (value[i] != '|' || i > 0 && value[i-1] == '\\') {
			continue
		}
		// Nothing stands before the first "|" and behind the last.
		if i > 0 && (i < len(value) || start < i) {
			cell := text.NewSegment(line.Start+start, line.Start+i)
			cell = cell.TrimLeftSpace(source)
			out = append(out, cell.TrimRightSpace(source))
		}
		start = i + 1
	}
	return out
}
