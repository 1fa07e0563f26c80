package status

import (
	"fmt"
	"net"
	"strings"
	"testing"

	"chatmaild/applets/admin/host/hosttest"
)

// TestOtherSites holds that a site is well if each of its servers answers.
func TestOtherSites(t *testing.T) {
	up, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer up.Close()
	down, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	down.Close()
	e := newExaminer(hosttest.New(t), fmt.Sprintf("%sother_sites = [%q, %q]\n", underscore,
		fmt.Sprint("a.example.org ", up.Addr()), fmt.Sprint("b.example.org ", up.Addr(), " ", down.Addr())))
	otherSites(t.Context(), e)
	if len(e.findings) != 2 || e.findings[0].Level != notice || !strings.Contains(e.findings[0].Detail, "the server of b.example.org does not answer") ||
		e.findings[1].Level != fine || e.findings[1].Detail != "a.example.org" {
		t.Errorf("got %+v", e.findings)
	}
}
