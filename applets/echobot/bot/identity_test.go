package bot

import (
	"strings"
	"testing"
)

func TestSource(t *testing.T) {
	for addr, want := range map[string]string{
		"a@relay.test": "a@relay.test", "A+tag@Relay.Test": "a@relay.test", "a@x.test": "@x.test", "b@X.test": "@x.test", "": "@",
	} {
		if got := Source(domain, addr); got != want {
			t.Errorf("%q: got %q, want %q", addr, got, want)
		}
	}
}

func TestIdentity(t *testing.T) {
	id, err := NewIdentity(domain, now)
	if err != nil {
		t.Fatal(err)
	}
	text, err := id.Marshal()
	if err != nil {
		t.Fatal(err)
	}
	again, err := ParseIdentity(text)
	if err != nil {
		t.Fatal(err)
	}
	if again.InviteLink(domain) != id.InviteLink(domain) || again.Password != id.Password {
		t.Errorf("got %+v, want %+v", again, id)
	}
	if same, err := again.Marshal(); err != nil || string(same) != string(text) {
		t.Errorf("written again it is\n%s\nwas\n%s", same, text)
	}
	for _, bad := range []string{"", "{}", strings.Replace(string(text), "BEGIN", "BEGUN", 1), strings.Replace(string(text), "invite_auth", "x", 1)} {
		if _, err := ParseIdentity([]byte(bad)); err == nil {
			t.Errorf("%.40q is accepted", bad)
		}
	}
}
