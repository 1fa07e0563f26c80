package applets

import (
	"bytes"
	"encoding/json"
	"errors"
	"go/ast"
	"go/parser"
	"go/token"
	"io"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// root is the top of the repository.
const root = ".."

// layer says what the packages of a layer may import. Domains are pure; adapters
// bring them to disk and network; they meet in the wiring.
type layer struct {
	name     string
	pure     bool // neither files nor network nor the clock
	packages []rule
}

type rule struct {
	name   string // without "chatmaild/"
	ours   string // our packages that it may import; "*" for all
	others string // modules that it may import
}

// layers is the table of the house, from top to bottom. A package that is not in
// it, and an import that is not, is an error.
var layers = []layer{
	{name: "main", packages: []rule{
		{name: "", ours: "applets"},
	}},
	{name: "wiring", packages: []rule{
		{name: "applets", ours: "*", others: "golang.org/x/sys"},
		{name: "applets/doveauth/policy", ours: "applets/config auth store/invites"},
		{name: "applets/acme", ours: "*"},
		{name: "applets/echobot", ours: "*"},
		{name: "applets/expire", ours: "*", others: "golang.org/x/sys"},
		{name: "applets/lastlogin", ours: "*"},
		{name: "applets/doveauth", ours: "*"},
		{name: "applets/metrics", ours: "*"},
		{name: "applets/queuewatch", ours: "*"},
		{name: "applets/certificate", ours: "*"},
		{name: "applets/clock", ours: "*"},
		{name: "applets/filtermail", ours: "*"},
		{name: "applets/metadata", ours: "*"},
		{name: "applets/web", ours: "*"},
		{name: "applets/command", ours: "applets/config applets/service", others: "golang.org/x/sys"},
	}},
	{name: "admin commands", packages: adminLayer},
	{name: "adapters", packages: []rule{
		{name: "applets/acme/renewal", ours: "applets/keys store/atomicfile", others: "github.com/mholt/acmez golang.org/x/net"},
		{name: "applets/chat/chattest", ours: "applets/chat/mailbox", others: "github.com/emersion/go-imap github.com/emersion/go-sasl github.com/emersion/go-smtp"}, // for tests
		{name: "applets/chat/mailbox", others: "github.com/emersion/go-imap github.com/emersion/go-sasl github.com/emersion/go-smtp"},
		{name: "applets/echobot/session", ours: "applets/chat applets/chat/mailbox applets/echobot/bot store/atomicfile", others: "github.com/emersion/go-smtp"},
		{name: "applets/web/signup", ours: "packaging/www packaging/www/qrcode", others: "golang.org/x/time"},
		{name: "auth/machine", ours: "auth"},
		{name: "mailfilter/proxy", ours: "mailfilter mailfilter/ratelimit", others: "github.com/emersion/go-smtp"},
		{name: "push/gateway", ours: "push"},
		{name: "store/tokens", ours: "push store/atomicfile", others: "go.etcd.io/bbolt golang.org/x/sys"},
		{name: "store/atomicfile", ours: "store/safefs"},
		{name: "store/safefs", others: "golang.org/x/sys"},
		{name: "store/census", others: "golang.org/x/sys"},
		{name: "store/expire", ours: "store/atomicfile store/maildir", others: "golang.org/x/sys"},
		{name: "store/invites", ours: "store/atomicfile", others: "golang.org/x/sys"},
		{name: "store/maildir", ours: "auth store/atomicfile", others: "golang.org/x/sys"},
	}},
	{name: "protocols and system", packages: []rule{
		{name: "applets/config", others: "github.com/BurntSushi/toml"},
		{name: "applets/journal"},
		{name: "applets/dns", others: "golang.org/x/net"},
		{name: "applets/keys"},
		{name: "applets/service", ours: "applets/metric", others: "github.com/coreos/go-systemd golang.org/x/net"},
		{name: "applets/service/accept"},
		{name: "packaging/dovecot/authserver", ours: "applets/service/accept packaging/dovecot/authproto packaging/dovecot/tabline"},
		{name: "packaging/dovecot/dict", ours: "applets/service/accept packaging/dovecot/tabline"},
		{name: "packaging/peer"},
		{name: "packaging/postfix/queue", ours: "packaging/peer"},
		{name: "packaging/postfix/socketmap", ours: "applets/service/accept"},
		{name: "packaging"},
		{name: "packaging/sbom"}, // a program that the build of the package runs
	}},
	{name: "admin commands, pure", pure: true, packages: adminPure},
	{name: "pure", pure: true, packages: []rule{
		{name: "packaging/dovecot"},
		{name: "packaging/dovecot/authproto", ours: "packaging/dovecot/tabline"},
		{name: "packaging/dovecot/tabline"},
		{name: "applets/metric"},
		{name: "packaging/postfix"},
		{name: "applets/queuewatch/retry", ours: "packaging/postfix/queue"},
		{name: "applets/chat", others: "github.com/ProtonMail/go-crypto github.com/emersion/go-message"},
		{name: "applets/echobot/bot", ours: "applets/chat"},
		{name: "auth", others: "golang.org/x/crypto"},
		{name: "mailfilter", ours: "mailfilter/dkim mailfilter/pgp"},
		{name: "mailfilter/dkim"},
		{name: "mailfilter/pgp"},
		{name: "mailfilter/pgp/pgptest", others: "github.com/ProtonMail/go-crypto"}, // for tests
		{name: "mailfilter/ratelimit"},
		{name: "packaging/www", ours: "packaging/www/qrcode", others: "github.com/yuin/goldmark"},
		{name: "packaging/www/qrcode", others: "rsc.io/qr"},
		{name: "push"},
	}},
}

// impure are the imports that a pure package may not have.
var impure = []string{"os", "os/exec", "net", "net/http", "log", "syscall"}

// listed is a package as go list tells it.
type listed struct {
	ImportPath, Dir string
	GoFiles         []string
	XTestGoFiles    []string
	Imports         []string
}

func (p *listed) name() string {
	return strings.TrimPrefix(strings.TrimPrefix(p.ImportPath, "chatmaild"), "/")
}

func packages(t *testing.T) []listed {
	t.Helper()
	cmd := exec.Command("go", "list", "-e", "-json=ImportPath,Dir,GoFiles,XTestGoFiles,Imports", "./...")
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

// TestImports holds every import against the table.
func TestImports(t *testing.T) {
	rules, pure := make(map[string]rule), make(map[string]bool)
	for _, l := range layers {
		for _, r := range l.packages {
			rules[r.name], pure[r.name] = r, l.pure
		}
	}
	for _, p := range packages(t) {
		r, ok := rules[p.name()]
		if !ok {
			t.Errorf("package %s is in no layer", p.ImportPath)
			continue
		}
		for _, imported := range p.Imports {
			if !r.allows(imported) {
				t.Errorf("%s may not import %s", p.ImportPath, imported)
			}
			if pure[p.name()] && slices.Contains(impure, imported) {
				t.Errorf("%s is pure and imports %s", p.ImportPath, imported)
			}
		}
	}
}

func (r rule) allows(imported string) bool {
	first, rest, _ := strings.Cut(imported, "/")
	switch {
	case first == "chatmaild":
		return r.ours == "*" && rest != "" || slices.Contains(strings.Fields(r.ours), rest)
	case !strings.Contains(first, "."): // the standard library
		return true
	}
	return slices.ContainsFunc(strings.Fields(r.others), func(module string) bool {
		return imported == module || strings.HasPrefix(imported, module+"/")
	})
}

// TestSources holds that every package has one comment, that only main ends the
// process, that nothing happens in init, and that pure packages are told the time.
func TestSources(t *testing.T) {
	pure := make(map[string]bool)
	for _, l := range layers {
		for _, r := range l.packages {
			pure[r.name] = l.pure
		}
	}
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
					case pure[p.name()] && slices.Contains([]string{"time.Now", "time.Since", "time.Until"}, used):
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
			t.Errorf("%s is no room of the house", name)
		}
	}
	for _, room := range []string{"applets", "debian", "packaging", "Makefile", "LICENSE"} {
		if _, err := os.Stat(path.Join(root, room)); err != nil {
			t.Error(err)
		}
	}
}
