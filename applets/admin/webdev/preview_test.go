package webdev

import (
	"bufio"
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"chatmaild/packaging/www"
)

var site = www.Site{MailDomain: "chat.example.org", Host: "chat.example.org"}

func page(text string) *fstest.MapFile {
	// Each text has a time of its own, as files have.
	return &fstest.MapFile{Data: []byte(text), ModTime: time.Unix(int64(len(text)), 0)}
}

func get(t *testing.T, h http.Handler, path string) (int, string) {
	t.Helper()
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequest("GET", path, nil))
	return w.Code, w.Body.String()
}

func TestPagesFollowTheDir(t *testing.T) {
	dir := fstest.MapFS{"info.md": page("# One\n")}
	p := New(site, dir)
	h := p.Handler(t.Context(), http.NotFoundHandler(), nil)
	for _, step := range []struct {
		text   string
		status int
		want   []string
	}{
		{"# One\n", 200, []string{"<h1 id=\"one\">One</h1>", reloadTag}},
		{"# Two, now\n", 200, []string{"Two, now"}},
		{"# Three\n\n<b>{{ nonsense }}\n", 500, []string{
			"<h1>info.md:3</h1>", "function &#34;nonsense&#34; not defined",
			`<li class="wrong"><span>3</span>&lt;b&gt;{{ nonsense }}</li>`, "<span>1</span># Three", "reload.js",
		}},
		{"# Four\n", 200, []string{"Four"}},
	} {
		dir["info.md"] = page(step.text)
		p.Refresh()
		status, body := get(t, h, "/info.html")
		if status != step.status {
			t.Errorf("%q: got %d, want %d", step.text, status, step.status)
		}
		for _, want := range step.want {
			if !strings.Contains(body, want) {
				t.Errorf("%q: lacks %q:\n%s", step.text, want, body)
			}
		}
	}
}

const reloadTag = `<script src="/~preview/reload.js" data-version="1" defer></script>` + "\n</body>"

func TestFiles(t *testing.T) {
	dynamic := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, "dynamic "+r.URL.Path) })
	h := New(site, nil).Handler(t.Context(), dynamic, []string{"/new"})
	for _, test := range []struct {
		path   string
		status int
		kind   string
		part   string
	}{
		{"/", 200, "text/html; charset=utf-8", "Get a profile"},
		{"/index.html", 200, "text/html; charset=utf-8", "Get a profile"},
		{"/main.css", 200, "text/css; charset=utf-8", ":root"},
		{"/qr.svg", 200, "image/svg+xml", "<svg"},
		{"/.well-known/mta-sts.txt", 200, "text/plain; charset=utf-8", "enforce"},
		{"/new", 200, "text/plain; charset=utf-8", "dynamic /new"},
		{"/no/such/page", 404, "text/html; charset=utf-8", "Nothing here"},
		{"/~preview/error.css", 200, "text/css", ".wrong"},
		{"/~preview/reload.js", 200, "text/javascript", "EventSource"},
	} {
		w := httptest.NewRecorder()
		h.ServeHTTP(w, httptest.NewRequest("GET", test.path, nil))
		if kind := w.Header().Get("Content-Type"); w.Code != test.status || kind != test.kind {
			t.Errorf("%s: got %d %q, want %d %q", test.path, w.Code, kind, test.status, test.kind)
		}
		if !strings.Contains(w.Body.String(), test.part) {
			t.Errorf("%s lacks %q", test.path, test.part)
		}
	}
}

// The browser hears of a change, and the end of the command ends the connection.
func TestEvents(t *testing.T) {
	dir := fstest.MapFS{"info.md": page("# One\n")}
	p := New(site, dir)
	ctx, stop := context.WithCancel(t.Context())
	server := httptest.NewServer(p.Handler(ctx, http.NotFoundHandler(), nil))
	defer server.Close()
	resp, err := http.Get(server.URL + "/~preview/events?version=1")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if got := resp.Header.Get("Content-Type"); got != "text/event-stream" {
		t.Errorf("got %q", got)
	}
	lines := bufio.NewReader(resp.Body)
	read := func() string {
		text, err := lines.ReadString('\n')
		if err != nil {
			t.Fatal(err)
		}
		empty, err := lines.ReadString('\n')
		if err != nil || empty != "\n" {
			t.Fatalf("after %q: %q, %v", text, empty, err)
		}
		return text
	}
	if got := read(); got != ": nothing new\n" {
		t.Errorf("got %q", got)
	}
	p.Refresh() // nothing has changed: no event
	dir["info.md"] = page("# Two, now\n")
	tick := make(chan time.Time)
	watched := make(chan struct{})
	go func() { p.Watch(ctx, tick); close(watched) }()
	tick <- time.Time{}
	if got := read(); got != "data: changed\n" {
		t.Errorf("got %q", got)
	}
	// A page that was loaded before the change hears of it as soon as it listens.
	late, err := http.Get(server.URL + "/~preview/events?version=1")
	if err != nil {
		t.Fatal(err)
	}
	defer late.Body.Close()
	if got, err := bufio.NewReader(late.Body).ReadString('\n'); err != nil || got != "data: changed\n" {
		t.Errorf("late: got %q, %v", got, err)
	}
	stop()
	if rest, err := io.ReadAll(lines); err != nil || len(rest) > 0 {
		t.Errorf("at the end: %q, %v", rest, err)
	}
	<-watched
}

func TestDirThatCannotBeRead(t *testing.T) {
	p := New(site, fstest.MapFS{"words.json": {Data: []byte("{")}})
	if status, body := get(t, p.Handler(t.Context(), http.NotFoundHandler(), nil), "/"); status != 500 || !strings.Contains(body, "words.json:1") {
		t.Errorf("got %d\n%s", status, body)
	}
}
