package applets

import (
	"bytes"
	"encoding/json"
	"errors"
	"go/ast"
	"go/parser"
	"go/token"
	"io"
	"maps"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// root is the top of the repository.
const root = ".."

// impure are the imports that a pure package may not have.
var impure = []string{"os", "os/exec", "net", "net/http", "log", "syscall"}

// listed is a package as go list tells it.
type listed struct {
	ImportPath, Dir string
	GoFiles         []string
	XTestGoFiles    []string
	Imports         []string
}

// name is the package's in the tables.
func (p *listed) name() string {
	if p.ImportPath == "chatmaild" {
		return "main"
	}
	return strings.TrimPrefix(p.ImportPath, "chatmaild/")
}

// packages lists the packages of the program, or those of the patterns.
func packages(t *testing.T, patterns ...string) []listed {
	t.Helper()
	if patterns == nil {
		patterns = []string{"./..."}
	}
	cmd := exec.Command("go", append([]string{"list", "-e", "-json=ImportPath,Dir,GoFiles,XTestGoFiles,Imports"}, patterns...)...)
	cmd.Dir = root
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("go list: %v", err)
	}
	var all []listed
	for d := json.NewDecoder(bytes.NewReader(out)); ; {
		var p listed
		if err := d.Decode(&p); errors.Is(err, io.EOF) {
			return all
		} else if err != nil {
			t.Fatal(err)
		}
		all = append(all, p)
	}
}

// place is where a package stands: the number of its layer, from the top.
type place struct {
	row  int
	pure bool
}

func places(t *testing.T) map[string]place {
	t.Helper()
	all := make(map[string]place)
	for row, l := range layers {
		for _, pure := range []bool{true, false} {
			list := l.impure
			if pure {
				list = l.pure
			}
			for _, name := range strings.Fields(list) {
				if _, twice := all[name]; twice {
					t.Errorf("package %s is in two layers", name)
				}
				all[name] = place{row, pure}
			}
		}
	}
	return all
}

// TestImports holds that imports point downwards, that pure packages import nothing
// impure of the system's, and that the tables say no more than is true.
func TestImports(t *testing.T) {
	unused := make(map[string]bool) // MODULE PACKAGE
	for module, list := range modules {
		for _, name := range strings.Fields(list) {
			unused[module+" "+name] = true
		}
	}
	idle := make(map[string]bool) // of those administering
	for _, name := range strings.Fields(administering) {
		idle[name] = true
	}
	where := places(t)
	gone := maps.Clone(where)
	for _, p := range packages(t) {
		name := p.name()
		here, ok := where[name]
		if !ok {
			t.Errorf("package %s is in no layer", name)
			continue
		}
		delete(gone, name)
		for _, imported := range p.Imports {
			if here.pure && slices.Contains(impure, imported) {
				t.Errorf("%s is pure and imports %s", name, imported)
			}
			if ours, found := strings.CutPrefix(imported, "chatmaild/"); found {
				if below := where[ours].row > here.row; !below && !strings.HasPrefix(ours, name+"/") {
					t.Errorf("%s (%s) may not import %s (%s)", name, layers[here.row].name, ours, layers[where[ours].row].name)
				}
				if isAdmin(ours) && !isAdmin(name) {
					if !slices.Contains(strings.Fields(administering), name) {
						t.Errorf("%s does not administer the machine, and may not import %s", name, ours)
					}
					delete(idle, name)
				}
			} else if first, _, _ := strings.Cut(imported, "/"); strings.Contains(first, ".") {
				module := moduleOf(imported)
				if !slices.Contains(strings.Fields(modules[module]), name) {
					t.Errorf("%s may not import %s", name, imported)
				}
				delete(unused, module+" "+name)
			}
		}
	}
	for name := range gone {
		t.Errorf("there is no package %s", name)
	}
	for name := range idle {
		t.Errorf("%s imports nothing of applets/admin, and is said to need it", name)
	}
	for allowance := range unused {
		t.Errorf("an allowance that nothing needs: %s", allowance)
	}
}

// isAdmin reports whether a package is for what an operator does.
func isAdmin(name string) bool {
	return name == "applets/admin" || strings.HasPrefix(name, "applets/admin/")
}

// moduleOf returns the key of modules for an import path of others.
func moduleOf(imported string) string {
	for module := range modules {
		if imported == module || strings.HasPrefix(imported, module+"/") {
			return module
		}
	}
	return imported
}

// TestSources holds that every package has one comment, that only main ends the
// process, that nothing happens in init, and that pure packages are told the time.
func TestSources(t *testing.T) {
	where := places(t)
	for _, p := range packages(t) {
		var documented []string
		for _, name := range append(p.GoFiles, p.XTestGoFiles...) {
			set := token.NewFileSet()
			file, err := parser.ParseFile(set, filepath.Join(p.Dir, name), nil, parser.ParseComments)
			if err != nil {
				t.Fatal(err)
			}
			if file.Doc != nil {
				documented = append(documented, name)
			}
			if strings.HasSuffix(name, "_test.go") {
				continue
			}
			ast.Inspect(file, func(n ast.Node) bool {
				switch n := n.(type) {
				case *ast.FuncDecl:
					if n.Name.Name == "init" && n.Recv == nil {
						t.Errorf("%s: there is no init here", set.Position(n.Pos()))
					}
				case *ast.SelectorExpr:
					switch used := selector(n); {
					case used == "os.Exit" && file.Name.Name != "main", strings.HasPrefix(used, "log.Fatal"):
						t.Errorf("%s: only main ends the process", set.Position(n.Pos()))
					case where[p.name()].pure && slices.Contains([]string{"time.Now", "time.Since", "time.Until"}, used):
						t.Errorf("%s: a pure package is told the time", set.Position(n.Pos()))
					}
				}
				return true
			})
		}
		if len(documented) != 1 {
			t.Errorf("package %s: got %d package comments %q, want 1", p.ImportPath, len(documented), documented)
		}
	}
}

func selector(n *ast.SelectorExpr) string {
	if x, ok := n.X.(*ast.Ident); ok {
		return x.Name + "." + n.Sel.Name
	}
	return ""
}
