package www

import (
	"strings"
	"testing"

	"github.com/yuin/goldmark"
)

func TestBlocks(t *testing.T) {
	md := goldmark.New(goldmark.WithExtensions(blocks{}))
	for _, tt := range []struct{ name, in, want string }{
		{"definition", "Term\n: its *text*\n", "<dl><dt>Term</dt><dd>its <em>text</em></dd></dl>"},
		{"lines", "A\n:  one;\n   two\n", "<dl><dt>A</dt><dd>one;two</dd></dl>"},
		{"several", "A\nB\n: one\n: two\n", "<dl><dt>A</dt><dt>B</dt><dd>one</dd><dd>two</dd></dl>"},
		{"one list", "A\n: one\n\n\nB\n: two\n", "<dl><dt>A</dt><dd>one</dd><dt>B</dt><dd>two</dd></dl>"},
		{"two lists", "A\n: one\n\ntext\n\nB\n: two\n", "<dl><dt>A</dt><dd>one</dd></dl><p>text</p><dl><dt>B</dt><dd>two</dd></dl>"},
		{"in a list", "- A\n  : one\n", "<ul><li><dl><dt>A</dt><dd>one</dd></dl></li></ul>"},
		{"no term", ": one\n", "<p>: one</p>"},
		{"no definition", "a: b\nc :d\n:e\n", "<p>a: bc :d:e</p>"},
		{"no text", "A\n: \nb\n", "<dl><dt>A</dt><dd>b</dd></dl>"},
		{"table", "| a | b |\n|---|:-:|\n| `1` | 2 |\n",
			"<table><thead><tr><th>a</th><th>b</th></tr></thead><tbody><tr><td><code>1</code></td><td>2</td></tr></tbody></table>"},
		{"table without ends", "a | b\n--- | ---\n1 | 2\n",
			"<table><thead><tr><th>a</th><th>b</th></tr></thead><tbody><tr><td>1</td><td>2</td></tr></tbody></table>"},
		{"rows of other lengths", "|a|b|\n|-|-|\n|1|\n|1||3|\n",
			"<table><thead><tr><th>a</th><th>b</th></tr></thead><tbody><tr><td>1</td><td></td></tr><tr><td>1</td><td></td></tr></tbody></table>"},
		{"escaped", "|a|\n|-|\n|1\\|2|\n", "<table><thead><tr><th>a</th></tr></thead><tbody><tr><td>1|2</td></tr></tbody></table>"},
		{"heads only", "|a|\n|-|\n", "<table><thead><tr><th>a</th></tr></thead><tbody></tbody></table>"},
		{"other number of hyphens", "|a|b|\n|-|\n", "<p>|a|b||-|</p>"},
		{"no hyphens", "|a|\n|b|\n", "<p>|a||b|</p>"},
	} {
		var b strings.Builder
		if err := md.Convert([]byte(tt.in), &b); err != nil {
			t.Fatal(err)
		}
		if got := strings.ReplaceAll(b.String(), "\n", ""); got != tt.want {
			t.Errorf("%s: got\n%s, want\n%s", tt.name, got, tt.want)
		}
	}
}

// Whatever stands in a page, it is rendered.
func FuzzBlocks(f *testing.F) {
	for _, seed := range []string{"A\n: b\n", "> A\n> : b\n", "|a|\n|-|\n|\\|", "A\n:  \n\n: b", "[a]: b\n: c\n\n[a]", "|\n|-|\n|"} {
		f.Add(seed)
	}
	md := goldmark.New(goldmark.WithExtensions(blocks{}))
	f.Fuzz(func(t *testing.T, in string) {
		var b strings.Builder
		if err := md.Convert([]byte(in), &b); err != nil {
			t.Errorf("%q: %v", in, err)
		}
	})
}
