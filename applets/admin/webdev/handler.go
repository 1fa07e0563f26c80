package webdev

import (
	"bytes"
	"context"
	_ "embed"
	"errors"
	"fmt"
	"html/template"
	"io"
	"io/fs"
	"mime"
	"net/http"
	"path"
	"strconv"
	"strings"
	"sync"
	"time"

	"chatmaild/packaging/www"
)

// What the preview adds lies below a path of its own.
const ours = "/~preview/"

// policy is the site's own, with our script and its events let in.
const policy = www.ContentSecurityPolicy + "; script-src 'self'; connect-src 'self'"

var (
	//go:embed reload.js
	reloadJS []byte
	//go:embed error.css
	errorCSS []byte
	//go:embed error.html
	errorHTML string
)

// errorPage is parsed when it is needed: the daemons, which are the same program, never do.
var errorPage = sync.OnceValue(func() *template.Template {
	return template.Must(template.New("error.html").Parse(errorHTML))
})

// Handler serves the preview. dynamic answers the given paths, which are not files, such
// as /new. Browsers hold a connection each for as long as they show a page; these end
// with ctx.
func (p *Preview) Handler(ctx context.Context, dynamic http.Handler, paths []string) http.Handler {
	mux := http.NewServeMux()
	for _, path := range paths {
		mux.Handle(path, dynamic)
	}
	mux.HandleFunc(ours+"events", func(w http.ResponseWriter, r *http.Request) { p.events(w, r, ctx.Done()) })
	mux.HandleFunc(ours+"reload.js", content("text/javascript", reloadJS))
	mux.HandleFunc(ours+"error.css", content("text/css", errorCSS))
	mux.HandleFunc("/", p.file)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		// As strict as nginx is, so that a page which the policy breaks is broken here already.
		w.Header().Set("Content-Security-Policy", policy)
		w.Header().Set("Cache-Control", "no-store")
		mux.ServeHTTP(w, r)
	})
}

func content(kind string, data []byte) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", kind)
		w.Write(data)
	}
}

// file serves what nginx would: pages with the script that reloads them, and everything
// else as it is.
func (p *Preview) file(w http.ResponseWriter, r *http.Request) {
	name := strings.TrimPrefix(path.Clean(r.URL.Path), "/")
	if name == "" {
		name = "index.html"
	}
	// One rendering for the whole answer: a Refresh meanwhile does not mix two.
	now := p.current()
	if now.err != nil {
		p.fail(w, now)
		return
	}
	files := now.files
	status, data, found := http.StatusOK, files[name], files[name] != nil
	if !found {
		name, status, data = "404.html", http.StatusNotFound, files["404.html"]
	}
	kind := mime.TypeByExtension(path.Ext(name))
	if kind == "" {
		kind = http.DetectContentType(data)
	}
	if path.Ext(name) == ".html" {
		data = withReload(data, now.version)
	}
	w.Header().Set("Content-Type", kind)
	w.WriteHeader(status)
	w.Write(data)
}

// withReload adds the script that reloads the page to it.
func withReload(page []byte, version int) []byte {
	script := fmt.Appendf(nil, "<script src=\"%sreload.js\" data-version=\"%d\" defer></script>\n", ours, version)
	// At the end, where it holds up nothing; a page without that tag is one, too.
	if i := bytes.LastIndex(page, []byte("</body>")); i >= 0 {
		return bytes.Join([][]byte{page[:i], script, page[i:]}, nil)
	}
	return append(bytes.Clone(page), script...)
}

// events tells the browser when there is a newer rendering than the one that it has
// (HTML Living Standard §9.2, server-sent events).
func (p *Preview) events(w http.ResponseWriter, r *http.Request, end <-chan struct{}) {
	w.Header().Set("Content-Type", "text/event-stream")
	control := http.NewResponseController(w)
	// The server's deadline for an answer is not for one that continues.
	if err := control.SetWriteDeadline(time.Time{}); err != nil {
		return
	}
	has := r.URL.Query().Get("version")
	for {
		now := p.current()
		say := ": nothing new\n\n"
		if strconv.Itoa(now.version) != has {
			say = "data: changed\n\n"
		}
		if _, err := io.WriteString(w, say); err != nil || control.Flush() != nil {
			return
		}
		select {
		case <-r.Context().Done():
			return
		case <-end:
			return
		case <-now.changed:
		}
	}
}

// around is how many lines before and after the wrong one the page shows.
const around = 4

// excerpt is one line of the file that is wrong.
type excerpt struct {
	Number int
	Text   string
	Wrong  bool
}

// fail shows the error in the browser, where its author is looking, with the lines
// around it.
func (p *Preview) fail(w http.ResponseWriter, now state) {
	data := struct {
		Place, Text string
		Lines       []excerpt
		Version     int
	}{Text: now.err.Error(), Version: now.version}
	if where, ok := errors.AsType[*www.Error](now.err); ok {
		data.Place, data.Text = where.Place(), where.Text
		data.Lines = p.excerpt(where)
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.WriteHeader(http.StatusInternalServerError)
	// An error here means that the browser is gone.
	_ = errorPage().Execute(w, data)
}

func (p *Preview) excerpt(where *www.Error) []excerpt {
	if p.dir == nil || where.Line == 0 {
		return nil
	}
	text, err := fs.ReadFile(p.dir, where.File)
	if err != nil {
		return nil
	}
	var out []excerpt
	for i, line := range strings.Split(string(text), "\n") {
		if n := i + 1; n >= where.Line-around && n <= where.Line+around {
			out = append(out, excerpt{n, line, n == where.Line})
		}
	}
	return out
}
