package signup

import (
	"os"
	"regexp"
	"testing"
)

// TestNginxHandsOver holds nginx's configuration against what the web daemon
// answers.
func TestNginxHandsOver(t *testing.T) {
	text, err := os.ReadFile("../../../packaging/nginx/nginx.conf.tmpl")
	if err != nil {
		t.Fatal(err)
	}
	location := regexp.MustCompile(`location ~ (\^/\(new\S+\$) \{`).FindStringSubmatch(string(text))
	if location == nil {
		t.Fatal("nginx has no location for the web daemon")
	}
	handed := regexp.MustCompile(location[1])
	for _, path := range Paths() {
		if !handed.MatchString(path) {
			t.Errorf("nginx does not hand over %s", path)
		}
	}
	for _, path := range []string{"/", "/newx", "/new/", "/index.html"} {
		if handed.MatchString(path) {
			t.Errorf("nginx hands over %s", path)
		}
	}
}
