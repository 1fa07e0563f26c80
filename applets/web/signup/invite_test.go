package signup

import (
	"context"
	"encoding/json"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

// single is a registration by one invite that can be used once.
type single struct{ used int }

func (s *single) Register(_ context.Context, token string) (Credentials, error) {
	if token != "Ab1" || s.used > 0 {
		return Credentials{}, &Refusal{http.StatusForbidden, "The invite is not valid."}
	}
	s.used++
	return Credentials{"abc@[192.0.2.17]", "Secret1"}, nil
}

// TestPreviews has machines look at an invite, many times and in all ways, before the
// person who got it uses it: by the app, and by the page's button.
func TestPreviews(t *testing.T) {
	for _, use := range []string{"/new?t=Ab1", "/new?t=Ab1&page"} {
		invite, shown := &single{}, 0
		h := New(Options{
			Host: "192.0.2.17", SelfSigned: true, Registration: invite, Log: slog.New(slog.DiscardHandler),
			Shown: func() { shown++ },
		})
		ask := func(method, target string) *httptest.ResponseRecorder {
			w := httptest.NewRecorder()
			h.ServeHTTP(w, httptest.NewRequest(method, target, nil))
			return w
		}
		const times = 2 * newBurst
		for range times {
			ask("GET", "/new?t=Ab1")
			ask("HEAD", "/new?t=Ab1")
			ask("GET", "/new?t=Ab1&page")
			ask("GET", "/new.svg?t=Ab1")
			ask("GET", "/cgi-bin/newemail.py?t=Ab1")
		}
		if invite.used != 0 || shown != 4*times {
			t.Errorf("machines used the invite %d times; %d of %d looks were counted", invite.used, shown, 4*times)
		}
		page := ask("GET", "/new?t=Ab1").Body.String()
		if !strings.Contains(page, `<form method="post" action="/new?t=Ab1&amp;page">`) {
			t.Errorf("the page has no button:\n%s", page)
		}
		got := ask("POST", use)
		link := "dclogin:abc@[192.0.2.17]?p=Secret1&v=1&ih=192.0.2.17&sh=192.0.2.17&ic=3"
		if strings.HasSuffix(use, confirmed) {
			if page := got.Body.String(); got.Code != 200 || !strings.Contains(page, `<svg`) ||
				!strings.Contains(page, `href="`+strings.ReplaceAll(link, "&", "&amp;")+`"`) {
				t.Errorf("the button leads to %d\n%s", got.Code, page)
			}
			continue
		}
		var a answer
		if err := json.Unmarshal(got.Body.Bytes(), &a); err != nil || a.LoginURL != link {
			t.Errorf("the app got %d %s, %v", got.Code, got.Body, err)
		}
	}
}
