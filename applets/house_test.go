package applets

import (
	"bytes"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// How large a room may be, without its tests.
const (
	maxFiles   = 25
	maxLines   = 2500
	maxMethods = 20 // of one type
)

// TestRooms holds that nobody gets lost in a package or a type, those of testdata included.
func TestRooms(t *testing.T) {
	// A pattern leaves out what lies below a directory named testdata, but not below its own.
	beside, err := filepath.Glob(filepath.Join(root, "testdata", "*"))
	if err != nil {
		t.Fatal(err)
	}
	patterns := []string{"./..."}
	for _, dir := range beside {
		patterns = append(patterns, "./testdata/"+filepath.Base(dir)+"/...")
	}
	var tests bool
	for _, p := range packages(t, patterns...) {
		tests = tests || p.name() == "testdata/lab"
		lines, methods := 0, make(map[string]int)
		for _, name := range p.GoFiles {
			text, err := os.ReadFile(filepath.Join(p.Dir, name))
			if err != nil {
				t.Fatal(err)
			}
			lines += bytes.Count(text, []byte("\n"))
			file, err := parser.ParseFile(token.NewFileSet(), name, text, 0)
			if err != nil {
				t.Fatal(err)
			}
			for _, d := range file.Decls {
				if f, ok := d.(*ast.FuncDecl); ok && f.Recv != nil {
					methods[receiver(f.Recv.List[0].Type)]++
				}
			}
		}
		if len(p.GoFiles) > maxFiles || lines > maxLines {
			t.Errorf("%s: %d files, %d lines; want at most %d and %d", p.ImportPath, len(p.GoFiles), lines, maxFiles, maxLines)
		}
		for name, n := range methods {
			if n > maxMethods {
				t.Errorf("%s.%s: %d methods, want at most %d", p.ImportPath, name, n, maxMethods)
			}
		}
	}
	if !tests {
		t.Error("no package of testdata/lab was looked at")
	}
}

// receiver is the name of a method's type.
func receiver(x ast.Expr) string {
	switch x := x.(type) {
	case *ast.StarExpr:
		return receiver(x.X)
	case *ast.IndexExpr: // of a generic type
		return receiver(x.X)
	case *ast.Ident:
		return x.Name
	}
	return ""
}

// TestTopLevel holds that the top of the repository has nothing but the rooms of
// the house.
func TestTopLevel(t *testing.T) {
	house := strings.Fields(`applets auth debian mailfilter packaging push store testdata
		go.mod go.sum main.go LICENSE Makefile README.md`)
	made := []string{"build", "vendor"} // by make; git ignores them
	entries, err := os.ReadDir(root)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		if name := e.Name(); !strings.HasPrefix(name, ".") && !slices.Contains(append(house, made...), name) {
			t.Errorf("%s is not a room of the house", name)
		}
	}
	for _, room := range []string{"applets", "debian", "packaging", "Makefile", "LICENSE"} {
		if _, err := os.Stat(path.Join(root, room)); err != nil {
			t.Error(err)
		}
	}
}
